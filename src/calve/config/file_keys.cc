// The keys of the file apart from those of tables.
#include "calve/config/bind.h"
#include "calve/config/config.h"
#include "calve/config/opening.h"

namespace calve::config {
namespace {

const Mapping& SourceKeys() {
  static const Mapping kMapping = {
      .keys =
          {
              Required(BindUrl("url", &SourceConfig::url, &SourceConfig::password, CheckSourceUrl,
                               "ClickHouse: `http(s)://user@host:8123/db`, or `chdb:DIR` for an embedded database.")),
              Bind("password_file", Form::kFile, &SourceConfig::password_file,
                   "File with the password. Default: the variable `CALVE_SOURCE_PASSWORD`."),
              BindChoice<SourceConfig, std::string>(
                  "compression", &SourceConfig::compression,
                  {{"auto", "auto"}, {"none", "none"}, {"gzip", "gzip"}, {"zstd", "zstd"}, {"lz4", "lz4"}},
                  "On the wire; `auto` is none on loopback."),
              Bind("ca_file", Form::kFile, &SourceConfig::ca_file,
                   "PEM file of the authority that signed the server's certificate."),
              Bind("cert_file", Form::kFile, &SourceConfig::cert_file, "PEM file of the client's certificate."),
              Bind("key_file", Form::kFile, &SourceConfig::key_file, "PEM file of the client's key."),
              AtLeast(1000, Bind("connect_timeout", Form::kDuration, &SourceConfig::connect_timeout_micros,
                                 "A connection is waited for at most so long.")),
              AtLeast(1000, Bind("idle_timeout", Form::kDuration, &SourceConfig::idle_timeout_micros,
                                 "An answer is given up after so long without a byte.")),
              Bind("settings", Form::kScalars, &SourceConfig::settings,
                   "ClickHouse settings sent with every query, by name: `{max_execution_time: 600}`."),
              Bind(
                  "cluster", Form::kText, &SourceConfig::cluster,
                  "The name of a [cluster](clusters.md) that the server at `url` knows (`system.clusters`): its shards "
                  "are read in parallel, each from replicas that have all rows."),
              AtLeast(1, Bind("cluster_http_port", Form::kInteger, &SourceConfig::cluster_http_port,
                              "The HTTP port of the cluster's servers, which `system.clusters` does not tell. Default: "
                              "that of `url`.")),
              Bind(
                  "shards", Form::kTexts, &SourceConfig::shards,
                  "In place of `cluster`: one entry for each shard, the URLs of its replicas with spaces between them. "
                  "User, database and password are those of `url`."),
              AtLeast(1, Bind("queries_per_server", Form::kInteger, &SourceConfig::queries_per_server,
                              "Of a cluster: at most so many queries read rows from a server at once.")),
              Bind("replica_wait", Form::kDuration, &SourceConfig::replica_wait_micros,
                   "Of a cluster: a replica that has not yet fetched all rows is waited for so long, and then not "
                   "read from."),
          },
      .at_most_one = {{"cluster", "shards"}},
  };
  return kMapping;
}

const Mapping& SigningKeys() {
  static const Mapping kMapping = {
      .keys =
          {
              Bind("region", Form::kText, &SigningConfig::region,
                   "The catalog's region: `eu-central-1`. Without it nothing is signed."),
              Bind("service", Form::kText, &SigningConfig::service,
                   "What AWS calls the service: `glue`, `s3tables`, `execute-api`."),
          },
  };
  return kMapping;
}

const Mapping& CatalogKeys() {
  static const Mapping kMapping = {
      .keys =
          {
              BindUrl(
                  "type", &CatalogConfig::type, &CatalogConfig::password, CheckCatalogType,
                  "`hadoop`, `sql` (SQLite beside the warehouse), `sqlite:////path/catalog.db`, "
                  "`postgresql://user@host:5432/database` ([catalogs](catalogs.md)), `rest` with its `uri`, or a REST "
                  "catalog's URL itself ([REST catalogs](rest-catalog.md)).",
                  Form::kText),
              Bind("password_file", Form::kFile, &CatalogConfig::password_file,
                   "File with the password of a `postgresql://` catalog. Default: the variable "
                   "`CALVE_CATALOG_PASSWORD`, `PGPASSWORD`, `PGPASSFILE`."),
              Bind("name", Form::kText, &CatalogConfig::name,
                   "The catalog's own name, as other engines configured it: targets may begin with it."),
              Bind("warehouse", Form::kText, &CatalogConfig::warehouse,
                   "Where the tables' files are: `file:///srv/cold`, `s3://bucket/cold`. Of a REST catalog the "
                   "warehouse as the server "
                   "calls it, a name or a location; may be left out there, and only there."),
              BindUrl("uri", &CatalogConfig::uri, &CatalogConfig::password, CheckCatalogUri,
                      "Of a REST catalog: `https://host/path`, up to and without `/v1`."),
              Bind("credential_file", Form::kFile, &CatalogConfig::credential_file,
                   "REST: file with OAuth2's client credentials, `id:secret`. Default: the variable "
                   "`CALVE_CATALOG_CREDENTIAL`."),
              Bind("token_file", Form::kFile, &CatalogConfig::token_file,
                   "REST: file with a bearer token, in place of a credential. Default: the variable "
                   "`CALVE_CATALOG_TOKEN`."),
              Bind("oauth2_server_uri", Form::kUrl, &CatalogConfig::oauth2_server_uri,
                   "REST: who gives tokens for the credential. Default: the catalog itself, at `v1/oauth/tokens`."),
              Bind("scope", Form::kText, &CatalogConfig::scope, "REST: OAuth2's scope of the tokens."),
              Bind("audience", Form::kText, &CatalogConfig::audience, "REST: OAuth2's audience of the tokens."),
              Bind("resource", Form::kText, &CatalogConfig::resource, "REST: OAuth2's resource of the tokens."),
              Bind("headers", Form::kScalars, &CatalogConfig::headers,
                   "REST: HTTP headers sent with every request, by name."),
              BindMapping("sigv4", &CatalogConfig::sigv4, SigningKeys(),
                          "REST: requests are signed with AWS Signature Version 4, by the keys that [the "
                          "chain](stores.md) finds. "
                          "Default: they are not."),
              Bind("vended_credentials", Form::kBoolean, &CatalogConfig::vended_credentials,
                   "REST: the catalog is asked for credentials for its tables' files."),
              Bind("ca_file", Form::kFile, &CatalogConfig::ca_file,
                   "REST: PEM file of the authority that signed the server's certificate."),
              Bind("cert_file", Form::kFile, &CatalogConfig::cert_file, "REST: PEM file of the client's certificate."),
              Bind("key_file", Form::kFile, &CatalogConfig::key_file, "REST: PEM file of the client's key."),
              AtLeast(1000, Bind("connect_timeout", Form::kDuration, &CatalogConfig::connect_timeout_micros,
                                 "REST: a connection is waited for at most so long.")),
              AtLeast(1000, Bind("idle_timeout", Form::kDuration, &CatalogConfig::idle_timeout_micros,
                                 "REST: an answer is given up after so long without a byte.")),
          },
      .at_most_one = {{"credential_file", "token_file"}},
  };
  return kMapping;
}

const Mapping& StoreKeys() {
  using objectstore::Addressing;
  using objectstore::ServerSideEncryption;
  using objectstore::StoreOptions;
  static const Mapping kMapping = {
      .keys =
          {
              Bind("endpoint", Form::kText, &StoreOptions::endpoint,
                   "Where the store is, if not at the cloud's own place: `https://minio.example:9000`. Default: "
                   "`AWS_ENDPOINT_URL_S3`, `AWS_ENDPOINT_URL`, the profile's."),
              Bind("region", Form::kText, &StoreOptions::region,
                   "Default: `AWS_REGION`, `AWS_DEFAULT_REGION`, the profile's, `us-east-1`. A store that says that a "
                   "bucket is elsewhere is believed."),
              BindChoice<StoreOptions, Addressing>(
                  "addressing", &StoreOptions::addressing,
                  {{"auto", Addressing::kAuto}, {"path", Addressing::kPath}, {"virtual", Addressing::kVirtual}},
                  "`path`: `https://host/bucket/key`; `virtual`: `https://bucket.host/key`; `auto`: `path` where there "
                  "is "
                  "an `endpoint` or a dot in the bucket's name, else `virtual`."),
              Bind("ca_file", Form::kFile, &StoreOptions::ca_file,
                   "PEM file of the authority that signed the store's certificate. Default: `AWS_CA_BUNDLE`, the "
                   "system's."),
              Bind("profile", Form::kText, &StoreOptions::profile,
                   "The profile of `~/.aws` to use, and no other credentials. Default: [the chain](stores.md)."),
              Bind("anonymous", Form::kBoolean, &StoreOptions::anonymous, "Requests are not signed: public buckets."),
              Bind("requester_pays", Form::kBoolean, &StoreOptions::requester_pays,
                   "Agree to pay for requests to buckets that ask for it."),
              BindChoice<StoreOptions, ServerSideEncryption>("encryption", &StoreOptions::encryption,
                                                             {{"none", ServerSideEncryption::kNone},
                                                              {"s3", ServerSideEncryption::kS3},
                                                              {"kms", ServerSideEncryption::kKms},
                                                              {"customer", ServerSideEncryption::kCustomer}},
                                                             "Of new objects, by the store: `s3` with its own keys "
                                                             "(AES256), `kms` with `kms_key`, `customer` with "
                                                             "`customer_key_file`; `none`: what the bucket does."),
              Bind("kms_key", Form::kText, &StoreOptions::kms_key,
                   "Id or ARN of the key of `encryption: kms`. Default: the account's."),
              Bind("customer_key_file", Form::kFile, &StoreOptions::customer_key_file,
                   "File with the key of `encryption: customer`: 32 bytes, or their base64."),
              AtLeast(1000, Bind("connect_timeout", Form::kDuration, &StoreOptions::connect_timeout_micros,
                                 "A connection is waited for at most so long.")),
              AtLeast(1000, Bind("idle_timeout", Form::kDuration, &StoreOptions::idle_timeout_micros,
                                 "A try is given up after so long without a byte.")),
              AtLeast(1, Bind("attempts", Form::kInteger, &StoreOptions::attempts_max,
                              "A request is tried at most so often.")),
              AtLeast(5 << 20, Bind("part_size", Form::kBytes, &StoreOptions::part_bytes,
                                    "Files larger than this go up in parts of this size; 10,000 parts are the most.")),
              AtLeast(1, Bind("uploads", Form::kInteger, &StoreOptions::uploads_max,
                              "So many parts are on their way at once, of all files together: they take so many "
                              "times `part_size` of memory.")),
          },
  };
  return kMapping;
}

const Mapping& StateKeys() {
  static const Mapping kMapping = {
      .keys =
          {
              BindUrl("url", &StateConfig::url, &StateConfig::password, CheckStateUrl,
                      "The journal: `sqlite:////path/journal.db` or `postgresql://user@host:5432/database` "
                      "([journal](journal.md)). Default: `calve-journal.db` in the warehouse."),
              Bind("password_file", Form::kFile, &StateConfig::password_file,
                   "File with the password of a `postgresql://` journal. Default: the variable "
                   "`CALVE_STATE_PASSWORD`, `PGPASSWORD`, `PGPASSFILE`."),
          },
  };
  return kMapping;
}

const Mapping& RetryKeys() {
  static const Mapping kMapping = {
      .keys =
          {
              AtLeast(kMicrosPerSecond,
                      Bind("wait_min", Form::kDuration, &RetryConfig::wait_min_micros,
                           "Before a table is tried again whose failure may pass by itself; twice as long each time.")),
              AtLeast(kMicrosPerSecond,
                      Bind("wait_max", Form::kDuration, &RetryConfig::wait_max_micros, "The longest of these waits.")),
              AtLeast(1, Bind("put_aside_after", Form::kInteger, &RetryConfig::put_aside_after,
                              "After so many failures in a row, of any kind, a table is put aside.")),
              AtLeast(kMicrosPerSecond, Bind("aside_min", Form::kDuration, &RetryConfig::aside_min_micros,
                                             "For how long; twice as long each time.")),
              AtLeast(kMicrosPerSecond,
                      Bind("aside_max", Form::kDuration, &RetryConfig::aside_max_micros,
                           "For how long at most; 15 minutes at most where the failure may pass by itself.")),
          },
  };
  return kMapping;
}

const Mapping& ScheduleKeys() {
  static const Mapping kMapping = {
      .keys =
          {
              AtLeast(kMicrosPerSecond, Bind("every", Form::kDuration, &ScheduleConfig::every_micros,
                                             "A cycle begins at each multiple of this: with `15m` at :00, :15, :30 and "
                                             ":45.")),
              Bind("cron", Form::kText, &ScheduleConfig::cron,
                   "In place of `every`: minute, hour, day of month, month, day of week, as in `*/15 6-22 * * 1-5`."),
              Bind("timezone", Form::kText, &ScheduleConfig::timezone,
                   "IANA name of the zone that the schedule is meant in: `Europe/Berlin`."),
              Bind("offset", Form::kDuration, &ScheduleConfig::offset_micros,
                   "Cycles of `every` begin so much later: with `15m` and `2m` at :02, :17 …"),
              AtLeast(kMicrosPerSecond,
                      Bind("maintain_every", Form::kDuration, &ScheduleConfig::maintain_every_micros,
                           "So long after it was maintained last each table is maintained again, between cycles "
                           "([maintenance](maintain.md)). Default: never.")),
              BindMapping("retry", &ScheduleConfig::retry, RetryKeys(),
                          "When `calve serve` tries a table that failed "
                          "again."),
          },
      .at_most_one = {{"every", "cron"}, {"cron", "offset"}},
  };
  return kMapping;
}

const Mapping& PauseKeys() {
  static const Mapping kMapping = {
      .keys =
          {
              AtLeast(1, Bind("running_queries", Form::kInteger, &PauseConfig::running_queries,
                              "More queries than this run on the server, calve's own left out.")),
              AtLeast(1, Bind("memory", Form::kPercent, &PauseConfig::memory_percent,
                              "The server uses more than this share of the memory it may use.")),
              Bind("longest", Form::kDuration, &PauseConfig::longest_micros,
                   "A table is held back at most so long, then it goes on nevertheless."),
          },
  };
  return kMapping;
}

const Mapping& LimitsKeys() {
  static const Mapping kMapping = {
      .keys =
          {
              AtLeast(1,
                      Bind("tables", Form::kInteger, &LimitsConfig::tables, "So many tables are worked on at once.")),
              AtLeast(1 << 20,
                      Bind("memory", Form::kBytes, &LimitsConfig::memory_bytes, "For all tables of a cycle together.")),
              AtLeast(1, Bind("connections", Form::kInteger, &LimitsConfig::connections,
                              "So many connections to ClickHouse at once: a table that is read takes as many as it has "
                              "`readers`. Default: "
                              "as many as the tables need.")),
              AtLeast(1, Bind("max_threads", Form::kInteger, &LimitsConfig::max_threads,
                              "ClickHouse's setting `max_threads` of the reading queries, unless a table's `settings` "
                              "say otherwise. Default: the server's.")),
              Bind("priority", Form::kInteger, &LimitsConfig::priority,
                   "ClickHouse's setting `priority` of the reading queries: 1 is the highest, higher numbers wait for "
                   "lower ones. Default: the server's."),
              BindMapping("pause_when", &LimitsConfig::pause_when, PauseKeys(),
                          "Tables are held back as long as one of these holds for the ClickHouse server. Default: "
                          "never."),
          },
  };
  return kMapping;
}

const Mapping& TlsKeys() {
  static const Mapping kMapping = {
      .keys =
          {
              Bind("cert_file", Form::kFile, &TlsConfig::cert_file,
                   "PEM file of the certificate, with those of its authorities behind it."),
              Bind("key_file", Form::kFile, &TlsConfig::key_file, "PEM file of its key, without a passphrase."),
          },
  };
  return kMapping;
}

const Mapping& ServeKeys() {
  static const Mapping kMapping = {
      .keys =
          {
              Bind("listen", Form::kText, &ServeConfig::listen,
                   "`HOST:PORT` where `calve serve` answers: the [status page](status-page.md), its API, `/metrics`, "
                   "`/healthz` and `/readyz`; port 0 is any that is free, `off` is none."),
              Bind("token_file", Form::kFile, &ServeConfig::token_file,
                   "File with the token that actions need (run now, pause, resume, verify), 16 characters or more, "
                   "which "
                   "others may not read. Default: the variable `CALVE_SERVE_TOKEN`. Without a token nobody may act."),
              Bind("public_read", Form::kBoolean, &ServeConfig::public_read,
                   "`true`: where `listen` is no loopback address, reading needs no token either. On loopback it never "
                   "does."),
              Bind(
                  "host_names", Form::kTexts, &ServeConfig::host_names,
                  "Names by which browsers reach it, beside `localhost` and addresses: `[calve.example.com]`. Requests "
                  "for other names are refused."),
              BindMapping("tls", &ServeConfig::tls, TlsKeys(), "HTTPS in place of HTTP."),
          },
  };
  return kMapping;
}

const Mapping& MetricsKeys() {
  static const Mapping kMapping = {
      .keys =
          {
              Bind("directory", Form::kFile, &MetricsConfig::directory,
                   "A folder where `calve run`, `verify`, `retire` and `maintain` leave their metrics as "
                   "`calve_run.prom` "
                   "and so on, for node_exporter's textfile collector; `calve serve` shows those of `verify` and "
                   "`retire`. Default: none."),
          },
  };
  return kMapping;
}

std::vector<Key> EndpointKeys() {
  return {
      Bind("url", Form::kUrl, &EndpointConfig::url,
           "`http(s)://host:port/path`. One with a token in it belongs into `url_file`."),
      Bind("url_file", Form::kFile, &EndpointConfig::url_file, "File with the URL, read with each notification."),
      Bind("headers", Form::kScalars, &EndpointConfig::headers, "HTTP headers, by name; no secrets."),
      Bind("headers_file", Form::kFile, &EndpointConfig::headers_file,
           "File with more headers, `Name: value` in each line: `Authorization: Bearer …`."),
      Bind("ca_file", Form::kFile, &EndpointConfig::ca_file,
           "PEM file of the authority that signed the server's certificate."),
      AtLeast(1000, Bind("timeout", Form::kDuration, &EndpointConfig::timeout_micros,
                         "A try is given up after so long without a byte.")),
  };
}

const Mapping& WebhookKeys() {
  static const Mapping kMapping = {.keys = EndpointKeys(), .shorthand = "url", .exactly_one = {{"url", "url_file"}}};
  return kMapping;
}

const Mapping& AlertmanagerKeys() {
  static const Mapping kMapping = [] {
    Mapping mapping = {.keys = EndpointKeys(), .shorthand = "url", .exactly_one = {{"url", "url_file"}}};
    mapping.keys.push_back(AtLeast(
        kMicrosPerSecond, Bind("hold", Form::kDuration, &EndpointConfig::hold_micros,
                               "An alert of a command that ends lasts so long unless it is sent again; `calve serve` "
                               "sends it again every minute.")));
    return mapping;
  }();
  return kMapping;
}

const Mapping& NotifyTargetKeys() {
  static const Mapping kMapping = {
      .keys =
          {
              BindMapping("webhook", &NotifyTargetConfig::webhook, WebhookKeys(), "A JSON object is posted there."),
              BindMapping("alertmanager", &NotifyTargetConfig::alertmanager, AlertmanagerKeys(),
                          "An Alertmanager, without `/api/v2`."),
          },
      .exactly_one = {{"webhook", "alertmanager"}},
  };
  return kMapping;
}

const Mapping& NotifyKeys() {
  static const Mapping kMapping = {
      .keys =
          {
              AtLeast(1, Bind("after", Form::kInteger, &NotifyConfig::after,
                              "A table or a cycle that fails is told of after so many failures in a row.")),
              Bind("repeat", Form::kDuration, &NotifyConfig::repeat_micros,
                   "What lasts is told of again after so long; `0`: never."),
              Bind("state_file", Form::kFile, &NotifyConfig::state_file,
                   "File with what was told, for the next process. Default: `calve-notify.json` beside a journal in "
                   "SQLite, else in a local warehouse, else none."),
              BindMappings("targets", &NotifyConfig::targets, NotifyTargetKeys(),
                           "Who is told, by names of your choice."),
          },
  };
  return kMapping;
}

Key ByLoader(std::string name, Form form, const Mapping& mapping, std::string meaning) {
  Key key;
  key.name = std::move(name);
  key.form = form;
  key.meaning = std::move(meaning);
  key.mapping = &mapping;
  return key;
}

}  // namespace

const Mapping& FileKeys() {
  static const Mapping kMapping = {
      .keys =
          {
              Required(BindMapping("source", &Config::source, SourceKeys(), "The ClickHouse to offload from.")),
              Required(BindMapping("catalog", &Config::catalog, CatalogKeys(), "The Iceberg catalog to offload into.")),
              BindMapping("store", &Config::store, StoreKeys(),
                          "The object store that warehouses and tables of `s3://` are in ([stores](stores.md))."),
              BindChoice<Config, CommitUnit>(
                  "commit", &Config::commit,
                  {{"each-table", CommitUnit::kEachTable}, {"atomic-cycle", CommitUnit::kCycle}},
                  "`atomic-cycle`: all tables of a cycle are committed in one step, or none of them is, where a REST "
                  "catalog offers that ([how](rest-catalog.md#all-tables-of-a-cycle-at-once))."),
              BindMapping("state", &Config::state, StateKeys(), "Runs, leases and the mirror of the watermarks."),
              BindMapping("schedule", &Config::schedule, ScheduleKeys(), "When `calve serve` begins a cycle."),
              BindMapping("limits", &Config::limits, LimitsKeys(), "What a cycle may use."),
              BindMapping("serve", &Config::serve, ServeKeys(), "What `calve serve` answers."),
              BindMapping("metrics", &Config::metrics, MetricsKeys(),
                          "Metrics of commands that end ([metrics](metrics.md))."),
              BindMapping("notify", &Config::notify, NotifyKeys(),
                          "Who is told of failures, their end, and differences ([notifications](notifications.md))."),
              ByLoader("defaults", Form::kMapping, DefaultsKeys(),
                       "What holds for every table that does not say otherwise: a mapping is merged with the table's "
                       "key by key, a list is replaced by the table's."),
              Required(ByLoader("tables", Form::kList, TableKeys(), "The tables, in any order.")),
          },
  };
  return kMapping;
}

}  // namespace calve::config
