#!/bin/sh
# Makes what config/tls.yaml asks for, for trying it out: an authority of your own, the broker's certificate, one for a client, one that is
# revoked, and the list that says so.
# Usage: config/make_certs.sh [FOLDER]        (config/certs; nothing that is there is overwritten)
# For machines that others reach, take certificates of an authority that they trust.
set -eu
umask 077
folder=${1:-config/certs}
days=825
mkdir -p "$folder"
cd "$folder"
if [ -e ca.crt ]; then
  echo "There are certificates in $folder already."
  exit 0
fi

openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -sha256 -days $days \
  -subj "/CN=Weir test authority" -keyout ca.key -out ca.crt 2>/dev/null

# sign NAME COMMON_NAME ALTERNATIVE_NAMES DAYS
sign() {
  openssl req -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -sha256 \
    -subj "/CN=$2" -keyout "$1.key" -out "$1.csr" 2>/dev/null
  printf 'subjectAltName=%s\nbasicConstraints=CA:FALSE\n' "$3" >"$1.ext"
  openssl x509 -req -in "$1.csr" -CA ca.crt -CAkey ca.key -CAcreateserial -sha256 -days "$4" \
    -extfile "$1.ext" -out "$1.crt" 2>/dev/null
  rm "$1.csr" "$1.ext"
}
sign server localhost "DNS:localhost,IP:127.0.0.1,IP:::1" $days
sign client device-1 "DNS:device-1.example.com,URI:urn:device:1" $days
sign revoked device-2 "DNS:device-2.example.com" $days

: >index.txt
echo 01 >crlnumber
cat >crl.cnf <<END
[ca]
default_ca = list
[list]
database = index.txt
crlnumber = crlnumber
default_md = sha256
default_crl_days = $days
END
openssl ca -config crl.cnf -cert ca.crt -keyfile ca.key -revoke revoked.crt 2>/dev/null
openssl ca -config crl.cnf -cert ca.crt -keyfile ca.key -gencrl -out ca.crl 2>/dev/null
rm -f crl.cnf index.txt* crlnumber* ca.srl
echo "Made in $folder: ca.crt server.crt server.key client.crt client.key revoked.crt revoked.key ca.crl"
