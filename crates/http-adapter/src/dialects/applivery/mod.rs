//! Applivery: assets, applications, builds and publications, under `/v1/organizations/{organization}`; the same of one
//! app for app tokens, under `/v1/integrations`; and `/v1/download/{token}`.
//!
//! | operation | answers |
//! |---|---|
//! | `POST /v1/auth/login`, `POST /v1/auth/refresh` | a session of a person, and the same under a new token |
//! | `GET /v1/organizations`, `GET /v1/organizations/{organization}` | the workspace of the credential, and one by name |
//! | `GET mdm/assets` | a page; `type`, `subType`, `ext`, `name`, `segmentId`, `expandTo`, `sort`, `page`, `limit` |
//! | `POST mdm/assets` | multipart `file`, `name`, `description`, `segmentId`, `exposeToChildren`, in any order |
//! | `POST mdm/assets//edge/asset` | registers an object that already is in a storage provider |
//! | `GET`, `PUT`, `DELETE mdm/assets/{id}` | one asset |
//! | `GET mdm/assets/{id}/view` | `url`, and `content` of a short text; not documented, and used by clients |
//! | `GET mdm/assets/{id}/file` | its bytes; **ours**, the documents have no such operation |
//! | `GET`, `POST apps` | applications; `name`, `slug`, `os`; creating answers 200 |
//! | `GET`, `PUT`, `DELETE apps/{idOrSlug}` | one application |
//! | `GET apps/{app}/retention` | what the app's retention would remove now, and the plan's id; **ours** |
//! | `POST apps/{app}/retention/{id}` | carries that plan out, 409 if it would be another one now; **ours** |
//! | `GET`, `POST apps/{app}/tokens`, `DELETE …/{id}` | app tokens; the text of one is shown when it is made |
//! | `GET collaborators/` | people with their roles; `role`, `email`, `onlyUsers`; `collaborators/groups` names groups |
//! | `POST collaborators`, `GET`, `PUT`, `DELETE collaborators/{id}` | one person: made, given another role, removed; **ours** |
//! | `GET`, `POST serviceAccounts`, `PUT`, `DELETE …/{id}` | keys of the workspace; the text of one is shown when it is made; **ours** |
//! | `GET`, `POST storageProviders`, `GET`, `PUT`, `DELETE …/{id}` | where the organization keeps files; **ours** |
//! | `POST storageProviders/{id}/test` | asks one whether it answers; **ours** |
//! | `GET`, `POST apps/{app}/builds` | builds; `versionName`, `status`, `os`; multipart `build` or `file` |
//! | `GET`, `DELETE apps/{app}/builds/{id}` | one build |
//! | `POST apps/{app}/builds/{id}/files` | attaches a `file` to a processed build |
//! | `GET apps/{app}/builds/{id}/downloadToken` | a token; `type` is `auto`, `file` or `aab` |
//! | `GET`, `POST stores/{store}/pubApps` | publications; `application`, `slug`, `filterType`, `filterValue` |
//! | `GET`, `PUT`, `DELETE stores/{store}/pubApps/{id}` | one publication; `PUT` replaces all of it |
//! | `/v1/integrations/builds…`, `/v1/integrations/distributions…` | the same, of the token's app |
//! | `GET /v1/app`, `GET /v1/build/{id}/downloadToken` | what an app's own SDK asks, with an app token |
//! | `GET /v1/download/{token}` | 302 to the package, or to the manifest for an Apple device |
//! | `GET /v1/download/{token}/manifest.plist` | what such a device installs from |
//!
//! `organization` is an id or a slug. Inside `mdm/` a doubled slash is a single one, so both spellings of the
//! documents work; nothing is ever redirected.
//!
//! # Rulings
//!
//! Where the documents are silent or contradict themselves:
//!
//! - **Sessions.** `provider` is `traditional`; `payload` may name an `organization` by its slug, which is ours: people
//!   belong to one. Both tokens of the answer are one, good while it is used, and replaced by a refresh before that. The
//!   documents name no code for a wrong password: it is 4001.
//! - **Names of things.** `version` is the number of writes, from 1. `file` is a text: the key of an object in a
//!   storage provider, the URL of a link, else the URL of our `/file` operation. Dates are RFC 3339 in UTC with
//!   milliseconds. `type` comes from the content and, where that says nothing, from the extension.
//! - **Storage provider.** Files in the depot's own blobs show the provider `000000000000000000000000`, `default`.
//!   Apps may name it, too; `""` and `__DEFAULT__` mean it. The documents have no operation on providers, only their
//!   members `id`, `name`, `region`, `config` and `provider`. Ours take `provider` `s3` or `directory`, and in `config`
//!   `bucket`, and for S3 `endpoint`, `accessKeyId` and `secretAccessKey`; the last two are answered as `********`,
//!   which leaves them when it is sent back. One in which assets lie stays: 409.
//! - **`config.apk`** is read from `minSdkVersion` or `minSDKVersion`, and written as `minSDKVersion`. What a client
//!   declares is compared with the package, field by field, and never kept: answers tell what the package says.
//!   `productName` may be any of the package's labels. Without an inspector nothing is compared or answered.
//! - **`checksum`** has to be the SHA-256 of the object in hexadecimal, with or without `sha256:` before it;
//!   `size` has to be its length. `location` is required and otherwise ignored: nothing is ever fetched from it.
//! - **Extensions** are the 28 of the listing's `ext`. An app whose content is not what its extension says, or
//!   cannot be read as that, is refused with 5007 and leaves nothing behind. A file of no bytes is refused.
//! - **Missing name**: the file's. Empty parts of a form count as absent.
//! - **`exposeToChildren`** is `true`, `false` or one of these words as text. `notificationLanguage` may be `ge`,
//!   which is read as `de`.
//! - **`security.role`** is the strongest role that was granted to the caller itself; `unknown` when it has none
//!   of the documented ones. **`createdBy`** is left out for API keys, which have no id of the documented form.
//! - **Apps** are made with the `direct` lifecycle: their releases start published. `metadata` may have 16 KiB
//!   and 8 levels. `PUT` changes what is given. `sdk.*.lastBuildId` is told where one app is asked for, not in lists.
//!   `counts.totalBuilds` counts builds that were processed or given up.
//! - **Retention**: -1 stands for no bound. Nothing is removed unless somebody carries a plan out.
//! - **Builds** are answered `pending` and read afterwards. Their files are no MDM assets. Names of form parts may be
//!   spelled `deployer.info.branch` or `deployer[info][branch]`; certificates and passphrases that come with them are
//!   dropped. `os` and `buildPlatform` are `ios`, `android`, `macos`, `windows` or `linux`; consoles are refused.
//!   `packageName`, `packageVersion` and `packageIcon`, a picture of at most 512 KiB, count where the package does not
//!   say it itself. `simulatorBuild` is among the build's `files`. Whom to notify is kept with the build, for those who
//!   read the depot's events; the depot itself sends no messages and calls no webhooks. Times are in seconds.
//! - **Download tokens** are good for a time and for one fetch of the package from its first byte: what was begun may be
//!   continued, and the manifest that an Apple device fetches before is not counted. One for `auto` ends in `-manifest`
//!   where that is what it leads to.
//! - **App tokens** are API keys that are good for one app and may do what its editors may; the scope `sdk` narrows one
//!   to looking and fetching. `/v1/integrations` answers no other credential.
//! - **Collaborators** are people; service accounts have a list of their own, so `onlyUsers` changes nothing, and `tags`
//!   are passed over. The documents name roles and filters and not the members of an answer: ours are `id`, `role`,
//!   `user` and the dates. A `PUT` takes `role` and replaces the one before; service accounts call `editor`
//!   `developer`. `vendorId` makes a service account that is good for one vendor's assets only. Removing a collaborator
//!   removes the account. `password` is optional and never answered.
//! - **Publications**: `{store}` is an id, a slug, or `1` for the main store, which is opened when it is missing. Slugs
//!   are read in lower case. `groups` are names or ids. `password` is never answered; a change without one leaves the
//!   one that was set. `filter-type` and `filterType` are the same. Countries are held to where the embedding server
//!   tells a request's country; a request without one is from none of them.
//! - **Paging**: `page` from 1, `limit` 20 unless given and at most 1000. `name` finds texts that contain it, in
//!   any letter case.
//! - **`expandTo=ancestors`** lists, beside the organization's own, the assets that the organizations above it expose
//!   to children. With or without it such an asset is got, viewed and fetched by its id; changing or removing it is
//!   4001. `organization` tells whose it is, `file` is an address in the child. `expandTo=children` adds nothing: a
//!   parent sees into its children no more than a stranger. `segmentId` is a number within one organization.
//! - **Unknown members** of a body are ignored.
//!
//! # Codes
//!
//! Documented: 3001, 4001 (with 401: there is no 403), 4002, 4004, 5006, 5007, 5014, 5017, 5060. Of our own, because the
//! documents name none; the last two digits tell the status:
//!
//! | code | HTTP | means |
//! |---|---|---|
//! | 5900 | 400 | fields are missing or wrong; the message names each |
//! | 5905 | 405 | method not allowed |
//! | 5909 | 409 | conflict with what is stored |
//! | 5913 | 413 | too large |
//! | 5915 | 415 | wrong content type, or a compressed body |
//! | 5929 | 429 | too many requests; `Retry-After` says when to come back |
//! | 5950 | 500 | a defect on our side |
//! | 5953 | 503 | a backend does not answer |

mod fault;
mod operations;
mod routes;
mod types;
mod words;

pub(crate) use fault::Fault;
pub(crate) use operations::DESCRIPTION;
pub(crate) use routes::router;
