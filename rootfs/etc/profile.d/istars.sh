# What root makes at the console is open to the group of the workers, as everything they make is.
umask 007
