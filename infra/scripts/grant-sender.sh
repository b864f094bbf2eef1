#!/usr/bin/env bash
# Lets a Logic App send alerts to the webhook with its own identity: the app role Alerts.Send of the API.
#
#   grant-sender.sh --principal OBJECT_ID --api CLIENT_ID [--dry-run]
#
#   --principal   object id of the identity of the Logic App (output LOGIC_APP_PRINCIPAL_ID of the deployment)
#   --api         client id of the registration of the API (what register-api.sh printed)
#   --dry-run     says what would be done; reads, and changes nothing
#
# It needs az, signed in as a Privileged Role Administrator or as an owner of the API's registration.

set -euo pipefail
# shellcheck source=infra/scripts/lib.sh
. "$(dirname "$0")/lib.sh"

principal=
api=
while [ $# -gt 0 ]; do
  case "$1" in
    --principal) principal="${2:?--principal needs an object id}"; shift 2 ;;
    --api) api="${2:?--api needs a client id}"; shift 2 ;;
    --dry-run) dry_run=true; shift ;;
    -h | --help) usage; exit 0 ;;
    *) fail "$1 is not an option; see --help" ;;
  esac
done
if [ -z "$principal" ] || [ -z "$api" ]; then
  fail "Both are needed: --principal and --api; see --help"
fi

resource="$(az ad sp list --filter "appId eq '$api'" --query '[].id' --output tsv)"
[ -n "$resource" ] || fail "There is no such API in this tenant: run register-api.sh first."
role="$(az ad sp show --id "$resource" --query "appRoles[?value=='Alerts.Send'].id" --output tsv)"
[ -n "$role" ] || fail "The API has no role Alerts.Send: run register-api.sh again, it adds what is missing."
grant_app_role "$principal" "$resource" "$role"
