//! Applivery: the Workspace API's MDM assets and applications, under `/v1/organizations/{organization}`.
//!
//! | operation | answers |
//! |---|---|
//! | `GET mdm/assets` | a page; `type`, `subType`, `ext`, `name`, `segmentId`, `sort`, `page`, `limit` |
//! | `POST mdm/assets` | multipart `file`, `name`, `description`, `segmentId`, `exposeToChildren`, in any order |
//! | `POST mdm/assets//edge/asset` | registers an object that already is in a storage provider |
//! | `GET`, `PUT`, `DELETE mdm/assets/{id}` | one asset |
//! | `GET mdm/assets/{id}/file` | its bytes; **ours**, the documents have no such operation |
//! | `GET`, `POST apps`, `GET`, `DELETE apps/{idOrSlug}` | applications; creating answers 200 |
//!
//! `organization` is an id or a slug. Inside `mdm/` a doubled slash is a single one, so both spellings of the
//! documents work; nothing is ever redirected.
//!
//! # Rulings
//!
//! Where the documents are silent or contradict themselves:
//!
//! - **Names of things.** `version` is the number of writes, from 1. `file` is a text: the key of an object in a
//!   storage provider, the URL of a link, else the URL of our `/file` operation. Dates are RFC 3339 in UTC with
//!   milliseconds. `type` comes from the content and, where that says nothing, from the extension.
//! - **Storage provider.** Files in the depot's own blobs show the provider `000000000000000000000000`, `default`.
//!   Apps may name it, too; `""` and `__DEFAULT__` mean it.
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
//!   and 8 levels.
//! - **Paging**: `page` from 1, `limit` 20 unless given and at most 1000. `name` finds texts that contain it, in
//!   any letter case. `expandTo` is checked and has no effect: organizations have no children yet.
//! - **Unknown members** of a body are ignored.
//!
//! # Codes
//!
//! Documented: 3001, 4001 (with 401: there is no 403), 4002, 4004, 5006, 5007, 5017, 5060. Of our own, because the
//! documents name none; the last two digits tell the status:
//!
//! | code | HTTP | means |
//! |---|---|---|
//! | 5900 | 400 | fields are missing or wrong; the message names each |
//! | 5905 | 405 | method not allowed |
//! | 5909 | 409 | conflict with what is stored |
//! | 5913 | 413 | too large |
//! | 5915 | 415 | wrong content type, or a compressed body |
//! | 5950 | 500 | a defect on our side |
//! | 5953 | 503 | a backend does not answer |

mod fault;
mod routes;
mod types;
mod words;

pub(crate) use fault::Fault;
pub(crate) use routes::router;
