#!/usr/bin/env bash
# Registers the API of PocketSOC in Entra ID, or completes a registration that is there already.
#
#   register-api.sh [--name NAME] [--portal-url URL]... [--admin me|OBJECT_ID] [--allow-az] [--dry-run]
#
#   --name        name of the registration (default: PocketSOC)
#   --portal-url  address to which the portal returns after sign-in, for example https://soc.example.com/portal/
#   --admin       who gets the role Admin: "me", or the object id of a user or group
#   --allow-az    lets the Azure CLI get tokens for the API, so that it can be called with curl
#   --dry-run     says what would be done; reads, and changes nothing
#
# It needs az, signed in as an Application Administrator. It can be run again at any time: what is there stays.
# docs/deploy.md says how to do the same in the portal.

set -euo pipefail
# shellcheck source=infra/scripts/lib.sh
. "$(dirname "$0")/lib.sh"

name=PocketSOC
portal_urls=()
admin=

# The ids of roles and scope are the same in every tenant, so that a second run finds its own.
role_admin=6f1a3b52-7c0e-4c65-9d53-1f3c8a2e0a01
role_responder=6f1a3b52-7c0e-4c65-9d53-1f3c8a2e0a02
role_reader=6f1a3b52-7c0e-4c65-9d53-1f3c8a2e0a03
role_sender=6f1a3b52-7c0e-4c65-9d53-1f3c8a2e0a04
scope_id=6f1a3b52-7c0e-4c65-9d53-1f3c8a2e0b01
native_redirect='pocketsoc://auth'
azure_cli=04b07795-8ddb-461a-9bbf-02ee02e1d8ad # the Azure CLI, in every tenant
allow_az=false

while [ $# -gt 0 ]; do
  case "$1" in
    --name) name="${2:?--name needs a name}"; shift 2 ;;
    --portal-url) portal_urls+=("${2:?--portal-url needs an address}"); shift 2 ;;
    --admin) admin="${2:?--admin needs me or an object id}"; shift 2 ;;
    --allow-az) allow_az=true; shift ;;
    --dry-run) dry_run=true; shift ;;
    -h | --help) usage; exit 0 ;;
    *) fail "$1 is not an option; see --help" ;;
  esac
done

role() { # role <id> <value> <who may have it> <what it allows>
  printf '{"id":"%s","value":"%s","displayName":"%s","isEnabled":true,"allowedMemberTypes":[%s],"description":"%s"}' \
    "$1" "$2" "$2" "$3" "$4"
}

# The roles that are missing, added to those that are there.
complete_roles() {
  local given="$1" people='"User","Application"' value made
  local -A wanted=(
    [Admin]="$(role "$role_admin" Admin "$people" 'Configure vendors, see everything')"
    [Responder]="$(role "$role_responder" Responder "$people" 'Read and act on detections')"
    [Reader]="$(role "$role_reader" Reader "$people" 'Read detections')"
    [Alerts.Send]="$(role "$role_sender" Alerts.Send '"Application"' 'Send alerts to the webhook')"
  )
  made="${given#[}"
  made="${made%]}"
  for value in Admin Responder Reader Alerts.Send; do
    if ! printf '%s' "$given" | grep -Eq "\"value\": ?\"$value\""; then
      made="${made:+$made,}${wanted[$value]}"
    fi
  done
  printf '[%s]' "$made"
}

# A JSON list of texts: those given, and those that were there.
texts() {
  printf '%s\n' "$@" | sed '/^$/d' | sort -u | sed 's/.*/"&"/' | paste -s -d , - | sed 's/.*/[&]/'
}

find_or_make_application() {
  local found
  found="$(az ad app list --display-name "$name" --query "[?displayName=='$name'].appId" --output tsv)"
  if [ "$(printf '%s' "$found" | grep -c .)" -gt 1 ]; then
    fail "There are several registrations named $name: choose another with --name, or remove one."
  fi
  if [ -z "$found" ]; then
    found="$(change az ad app create --display-name "$name" --sign-in-audience AzureADMyOrg --query appId --output tsv)"
  fi
  printf '%s' "${found:-<client id>}"
}

complete_application() {
  local client_id="$1" object_id spa=() native=() roles scopes body
  object_id="$(az ad app show --id "$client_id" --query id --output tsv)"
  roles="$(az ad app show --id "$client_id" --query appRoles --output json | tr -d '\n')"
  scopes="$(az ad app show --id "$client_id" --query "api.oauth2PermissionScopes[?value=='access'].id" --output tsv)"
  mapfile -t spa < <(az ad app show --id "$client_id" --query 'spa.redirectUris[]' --output tsv)
  mapfile -t native < <(az ad app show --id "$client_id" --query 'publicClient.redirectUris[]' --output tsv)

  change az ad app update --id "$client_id" --identifier-uris "api://$client_id"
  body="{\"appRoles\":$(complete_roles "$roles")"
  body+=",\"spa\":{\"redirectUris\":$(texts "${spa[@]}" "${portal_urls[@]}")}"
  body+=",\"publicClient\":{\"redirectUris\":$(texts "${native[@]}" "$native_redirect")}"
  if [ -z "$scopes" ]; then
    body+=",\"api\":{\"requestedAccessTokenVersion\":2,\"oauth2PermissionScopes\":[{\"id\":\"$scope_id\",\"value\":\"access\""
    body+=",\"type\":\"User\",\"isEnabled\":true,\"adminConsentDisplayName\":\"Use PocketSOC\""
    body+=",\"adminConsentDescription\":\"Use PocketSOC as the signed-in user\"}]}"
  fi
  change az rest --method PATCH --url "$(graph_root)/v1.0/applications/$object_id" --body "$body}"
}

# After the scope is there, and only where nobody has been allowed yet: the list is written as a whole.
allow_azure_cli() {
  local client_id="$1" object_id allowed scope
  object_id="$(az ad app show --id "$client_id" --query id --output tsv)"
  allowed="$(az ad app show --id "$client_id" --query 'api.preAuthorizedApplications[].appId' --output tsv)"
  scope="$(az ad app show --id "$client_id" --query "api.oauth2PermissionScopes[?value=='access'].id" --output tsv)"
  if [ -n "$allowed" ]; then
    printf 'Applications are pre-authorized already: %s\n' "$(printf '%s' "$allowed" | paste -s -d ' ' -)"
    return 0
  fi
  change az rest --method PATCH --url "$(graph_root)/v1.0/applications/$object_id" --body \
    "{\"api\":{\"preAuthorizedApplications\":[{\"appId\":\"$azure_cli\",\"delegatedPermissionIds\":[\"${scope:-$scope_id}\"]}]}}"
}

find_or_make_principal() {
  local client_id="$1" found
  found="$(az ad sp list --filter "appId eq '$client_id'" --query '[].id' --output tsv)"
  if [ -z "$found" ]; then
    found="$(change az ad sp create --id "$client_id" --query id --output tsv)"
  fi
  # Only who has a role gets a token at all.
  change az ad sp update --id "${found:-<service principal>}" --set appRoleAssignmentRequired=true
  printf '%s' "$found"
}

make_admin() {
  local principal="$1" who="$admin" role given url
  if [ "$who" = me ]; then
    who="$(az ad signed-in-user show --query id --output tsv)"
  fi
  url="$(graph_root)/v1.0/servicePrincipals/$principal/appRoleAssignedTo"
  role="$(az ad sp show --id "$principal" --query "appRoles[?value=='Admin'].id" --output tsv)"
  given="$(az rest --method GET --url "$url" --query "value[?principalId=='$who' && appRoleId=='$role'].id" --output tsv)"
  if [ -z "$given" ]; then
    change az rest --method POST --url "$url" --output none \
      --body "{\"principalId\":\"$who\",\"resourceId\":\"$principal\",\"appRoleId\":\"$role\"}"
  fi
}

client_id="$(find_or_make_application)"
if [ "$client_id" = '<client id>' ]; then
  printf 'The registration is not there yet; a run without --dry-run makes it, and then does the rest.\n'
  exit 0
fi
complete_application "$client_id"
if [ "$allow_az" = true ]; then
  allow_azure_cli "$client_id"
fi
principal="$(find_or_make_principal "$client_id")"
if [ -n "$admin" ] && [ -n "$principal" ]; then
  make_admin "$principal"
fi
printf 'API_CLIENT_ID=%s\n' "$client_id"
printf 'API_TENANT_ID=%s\n' "$(az account show --query tenantId --output tsv)"
