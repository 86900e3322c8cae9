#!/bin/sh
# Makes the authority that signs development firmware, and one signer of it, unless they are there: make-dev-ca.sh [FOLDER]
# Called by the first build. The keys never leave the folder, which git ignores; releases are signed with other keys (firmware/README.md).
set -eu
umask 077
folder="${1:-build/keys}"
name="iStars development"
years=25
if [ -s "$folder/dev-ca.pem" ] && [ -s "$folder/dev-signer.pem" ] && [ -s "$folder/dev-signer.key" ]; then
    exit 0
fi
mkdir -p "$folder"
new="$(mktemp -d "$folder/new.XXXXXX")"
trap 'rm -rf "$new"' EXIT
cat >"$new/openssl.cnf" <<END
[req]
distinguished_name = name
[name]
[authority]
basicConstraints = critical, CA:TRUE, pathlen:0
keyUsage = critical, keyCertSign, cRLSign
subjectKeyIdentifier = hash
# emailProtection: RAUC before 1.9 looks for it where its configuration names no purpose.
[signer]
basicConstraints = critical, CA:FALSE
keyUsage = critical, digitalSignature
extendedKeyUsage = codeSigning, emailProtection
subjectKeyIdentifier = hash
authorityKeyIdentifier = keyid
END
days=$((years * 365))
# Valid from long ago: a card whose clock battery is empty starts in the past.
from=20240101000000Z
key() { openssl genpkey -algorithm RSA -pkeyopt rsa_keygen_bits:3072 -out "$1" 2>/dev/null; }
key "$new/dev-ca.key"
openssl req -new -key "$new/dev-ca.key" -config "$new/openssl.cnf" -subj "/O=$name/CN=$name authority $(hostname)" -out "$new/ca.csr"
key "$new/dev-signer.key"
openssl req -new -key "$new/dev-signer.key" -config "$new/openssl.cnf" -subj "/O=$name/CN=$name signer $(hostname)" -out "$new/signer.csr"
mkdir "$new/ca"
: >"$new/ca/index.txt"
# openssl's command "ca" is the one that can date a certificate back.
cat >>"$new/openssl.cnf" <<END
[ca]
default_ca = here
[here]
new_certs_dir = $new/ca
database = $new/ca/index.txt
rand_serial = yes
default_md = sha256
policy = any
unique_subject = no
[any]
organizationName = optional
commonName = supplied
END
until="$(date -u -d "+$days days" +%Y%m%d%H%M%SZ)"
openssl ca -batch -notext -config "$new/openssl.cnf" -selfsign -keyfile "$new/dev-ca.key" -in "$new/ca.csr" -extensions authority \
    -startdate "$from" -enddate "$until" -out "$new/dev-ca.pem" 2>/dev/null
openssl ca -batch -notext -config "$new/openssl.cnf" -cert "$new/dev-ca.pem" -keyfile "$new/dev-ca.key" -in "$new/signer.csr" \
    -extensions signer -startdate "$from" -enddate "$until" -out "$new/dev-signer.pem" 2>/dev/null
for file in dev-ca.key dev-signer.key dev-signer.pem dev-ca.pem; do
    mv "$new/$file" "$folder/$file"
done
echo "made a development authority in $folder; it is trusted by what is built here only"
