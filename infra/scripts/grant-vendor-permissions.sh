#!/usr/bin/env bash
# Grants the identity of the function app what the vendors' features need. A vendor configuration with the sign-in
# "managed identity" then needs no secret at all.
#
#   grant-vendor-permissions.sh --principal OBJECT_ID [--scope SCOPE] [--dry-run] FEATURE...
#   grant-vendor-permissions.sh --list
#
#   --principal   object id of the identity (output IDENTITY_PRINCIPAL_ID of the deployment)
#   --scope       for roles of Azure: where they are given, for example /subscriptions/<id>
#   --list        shows the features and what each needs
#   --dry-run     says what would be done; reads, and changes nothing
#
# A feature is one of the list, such as defender_endpoint.read_alerts, or a vendor for all that only reads:
# defender_endpoint. It needs az, signed in as a Privileged Role Administrator (app roles) or as an Owner or User
# Access Administrator of the scope (roles of Azure). docs/deploy.md says what to do where there is neither.

set -euo pipefail
here="$(dirname "$0")"
# shellcheck source=infra/scripts/lib.sh
. "$here/lib.sh"

table="$here/vendor-permissions.tsv"
principal=
scope=
features=()

while [ $# -gt 0 ]; do
  case "$1" in
    --principal) principal="${2:?--principal needs an object id}"; shift 2 ;;
    --scope) scope="${2:?--scope needs a scope}"; shift 2 ;;
    --dry-run) dry_run=true; shift ;;
    --list) cat "$table"; exit 0 ;;
    -h | --help) usage; exit 0 ;;
    -*) fail "$1 is not an option; see --help" ;;
    *) features+=("$1"); shift ;;
  esac
done
[ -n "$principal" ] || fail "Say whom: --principal OBJECT_ID; see --help"
[ ${#features[@]} -gt 0 ] || fail "Say what for: one of --list, or a vendor"

# The lines of the table for a feature; for a vendor those that only read.
lines_of() {
  if [[ "$1" == *.* ]]; then
    awk -F '\t' -v wanted="$1" '$1 == wanted' "$table"
  else
    awk -F '\t' -v vendor="$1." 'index($1, vendor) == 1 && $1 !~ /\.(change_status|response_actions)$/' "$table"
  fi
}

grant_role() { # grant_role <name of the role>
  [ -n "$scope" ] || fail "'$1' is a role of Azure: say where with --scope, for example /subscriptions/<id>"
  change az role assignment create --assignee-object-id "$principal" --assignee-principal-type ServicePrincipal \
    --role "$1" --scope "$scope" --output none
}

grant_permission() { # grant_permission <resource> <its client id> <permission>
  local resource role
  resource="$(az ad sp list --filter "appId eq '$2'" --query '[].id' --output tsv)"
  [ -n "$resource" ] || fail "This tenant does not have $1: is the product licensed here?"
  role="$(az ad sp show --id "$resource" --output tsv \
    --query "appRoles[?value=='$3' && contains(allowedMemberTypes, 'Application')].id")"
  [ -n "$role" ] || fail "$1 has no application permission $3 in this cloud."
  grant_app_role "$principal" "$resource" "$role"
}

for feature in "${features[@]}"; do
  lines="$(lines_of "$feature")"
  [ -n "$lines" ] || fail "There is no feature '$feature'; see --list"
  while IFS=$'\t' read -r name resource client_id permission; do
    printf '%s: %s\n' "$name" "$permission"
    if [ "$resource" = role ]; then
      grant_role "$permission" < /dev/null
    else
      grant_permission "$resource" "$client_id" "$permission" < /dev/null
    fi
  done <<< "$lines"
done
printf 'Azure keeps tokens of a managed identity for up to a day: restart the function app if a check still misses them.\n'
