#!/bin/sh
# Makes what docker-compose.yml reads from secrets/: sh deploy/make-secrets.sh < file-with-the-API-token
# A file that is there already is left alone, so it can be run again. Keep a copy of pseudonym_key and audit_key apart
# from the database: without the first no chat is recognised, and whoever has the second can forge the audit.
set -eu
umask 077
cd "$(dirname "$0")/.."
mkdir -p secrets
# One that was there already may be open to others.
chmod 700 secrets

random() { od -An -v -tx1 -N32 /dev/urandom | tr -d ' \n'; }

# make NAME TEXT: the folder keeps other users of this machine out; the files are readable, because each container reads
# them as a user of its own.
make() {
  if [ -e "secrets/$1" ]; then echo "left secrets/$1 as it is" >&2; return; fi
  printf '%s' "$2" > "secrets/.$1"
  chmod 444 "secrets/.$1"
  mv "secrets/.$1" "secrets/$1"
  echo "wrote secrets/$1" >&2
}

make pseudonym_key "$(random)"
make audit_key "$(random)"
make webhook_token "$(random)"
# Who may look at the page: name, role and token hash per line. Empty is nobody.
make web_users ''
make postgres_password "$(random)"
make owner_url "postgresql://chat_hygiene:$(cat secrets/postgres_password)@postgres/chat_hygiene"
make app_password "$(random)"
make database_url "postgresql://chat_hygiene_app:$(cat secrets/app_password)@postgres/chat_hygiene"
make redis_password "$(random)"
make broker_url "redis://:$(cat secrets/redis_password)@redis:6379/0"
make report_password "$(random)"
make grafana_password "$(random)"

if [ -e secrets/api_token ]; then echo 'left secrets/api_token as it is' >&2; exit 0; fi
if [ -t 0 ]; then echo 'Paste the API token (it is shown), then press Enter; nothing for the demo alone:' >&2; fi
IFS= read -r token || true
if [ -n "$token" ]; then make api_token "$token"; exit 0; fi
echo 'secrets/api_token is still missing: only the demo starts without. Run this again when you have the token.' >&2
