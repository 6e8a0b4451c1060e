#!/bin/sh
# Writes an SSLConfig for --ssl_config_file of tensorflow_model_server: gRPC with TLS and without the proxy.
#
#   sh ssl_config.sh server.key server.crt > ssl.config             # the server shows its certificate
#   sh ssl_config.sh server.key server.crt clients.crt > ssl.config # and asks for one of this authority (EDIT: wanted)
#
# The file holds the key itself, not its name: keep it as the key is kept (chmod 600, a Kubernetes Secret).
# Prefer the proxy: without it whoever may ask for predictions may also call ReloadConfig and change the models.
set -eu
if [ "$#" -lt 2 ] || [ "$#" -gt 3 ]; then
    echo "usage: sh ssl_config.sh KEY CERTIFICATE [CLIENTS_AUTHORITY] > ssl.config" >&2
    exit 2
fi

# A text proto joins strings that follow each other: a PEM line becomes one string.
field() {
    echo "$1:"
    sed 's/.*/  "&\\n"/' "$2"
}

umask 077
for file in "$@"; do
    grep -q -e '-----BEGIN ' "$file" || { echo "error: '$file' is no PEM file." >&2; exit 1; }
done
field server_key "$1"
field server_cert "$2"
if [ "$#" -eq 3 ]; then
    field custom_ca "$3"
    echo 'client_verify: true'
fi
