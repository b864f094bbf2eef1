# shellcheck shell=bash
# What the scripts beside this file share: saying what is done, and not doing it with --dry-run.

if [ "${BASH_VERSINFO[0]}${BASH_VERSINFO[1]}" -lt 44 ]; then
  echo "This needs bash 4.4 or newer; Azure Cloud Shell has it." >&2
  exit 1
fi

dry_run=false

# Stop with words.
fail() {
  printf '%s\n' "$*" >&2
  exit 1
}

# Something that changes the directory or the subscription: said, and done unless --dry-run.
change() {
  printf '+' >&2
  printf ' %q' "$@" >&2
  printf '\n' >&2
  if [ "$dry_run" = true ]; then
    return 0
  fi
  "$@"
}

# The text at the top of the script that calls.
usage() {
  sed -n '2,/^$/s/^# \{0,1\}//p' "$0"
}

# Microsoft Graph of the cloud that az is signed in to.
graph_root() {
  local root
  root="$(az cloud show --query endpoints.microsoftGraphResourceId --output tsv)"
  printf '%s' "${root%/}"
}

# Give an app role of a resource to a service principal; nothing happens where it has it already.
# grant_app_role <object id of the principal> <object id of the resource's service principal> <app role id>
grant_app_role() {
  local principal="$1" resource="$2" role="$3" url given
  url="$(graph_root)/v1.0/servicePrincipals/$principal/appRoleAssignments"
  given="$(az rest --method GET --url "$url" --query "value[?appRoleId=='$role' && resourceId=='$resource'].id" --output tsv)"
  if [ -n "$given" ]; then
    printf 'already granted\n'
    return 0
  fi
  change az rest --method POST --url "$url" --output none \
    --body "{\"principalId\":\"$principal\",\"resourceId\":\"$resource\",\"appRoleId\":\"$role\"}"
}
