#!/bin/sh
# A media asset's life in Emporix's API, with curl. Stops at the first answer that is not the expected one.
#
#   cargo run --release --example server -- --listen 127.0.0.1:8080 --admin-key robot.0123456789abcdef0123456789abcdef
#   docs/journeys/emporix.sh http://127.0.0.1:8080 robot.0123456789abcdef0123456789abcdef fixtures/field-notes.apk
set -eu
base=$1 key=$2 package=$3
. "$(dirname "$0")/steps.sh"
assets=/media/acme/assets
product=product-$$
json_type='Content-Type: application/json'

echo "# A token for an hour, by client credentials."
ask 200 "" POST /oauth/token -H 'Content-Type: application/x-www-form-urlencoded' -d "grant_type=client_credentials" \
    -d "client_id=${key%%.*}" -d "client_secret=${key#*.}" -d "scope=media.asset_manage media.asset_read"
token=$(field access_token)
ask 401 not-a-token GET $assets
ask 400 "$token" GET $assets -H "Emporix-Tenant: umbrella"

echo "# A file and a link, both of a product."
ask 201 "$token" POST $assets -H "Emporix-Tenant: acme" -F "file=@$package" -F "body={\"type\":\"BLOB\",
    \"access\":\"PUBLIC\",\"refIds\":[{\"type\":\"PRODUCT\",\"id\":\"$product\"}]}"
blob=$(field id)
json 201 "$token" POST $assets "{\"type\":\"LINK\",\"access\":\"PUBLIC\",\"url\":\"https://example.com/manual\",
    \"refIds\":[{\"type\":\"PRODUCT\",\"id\":\"$product\"}]}"
link=$(field id)
json 409 "$token" POST $assets "{\"id\":\"$link\",\"type\":\"LINK\",\"access\":\"PUBLIC\",
    \"url\":\"https://example.com/other\"}"

echo "# Found by what they belong to; a page at a time, counted when asked."
ask 200 "$token" GET "$assets?q=refIds.id:$product+type:LINK"
says "$link"
ask 200 "$token" GET "$assets?q=refIds.id:$product&sort=metadata.createdAt:desc&pageSize=1&pageNumber=2" \
    -H "X-Total-Count: true" -D "$fetched"
says "$blob"
grep -qi '^x-total-count: 2' "$fetched"
ask 400 "$token" GET "$assets?q=%28%28"

echo "# Downloaded: what is public is somewhere else."
ask 301 "$token" GET "$assets/$link/download"
ask 301 "$token" GET "$assets/$blob/download"
curl -sSfL -H "Authorization: Bearer $token" -o "$fetched" "$base$assets/$blob/download"
cmp "$fetched" "$package"

echo "# Changed by whoever saw the version before."
change='{"type":"LINK","access":"PUBLIC","url":"https://example.com/manual/2","metadata":{"version":1}}'
json 204 "$token" PUT "$assets/$link" "$change"
json 409 "$token" PUT "$assets/$link" "$change"
ask 200 "$token" GET "$assets/$link"
says '"version":2'

echo "# Applivery's API shows the file too. Then both are gone."
ask 200 "$key" GET "/v1/organizations/acme/mdm/assets/$blob"
ask 204 "$token" DELETE "$assets/$blob"
ask 204 "$token" DELETE "$assets/$link"
ask 404 "$token" GET "$assets/$link"
