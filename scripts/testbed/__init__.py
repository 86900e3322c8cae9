"""The card's image on packages of Debian, for QEMU."""
