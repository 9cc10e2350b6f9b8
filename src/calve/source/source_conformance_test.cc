// All sources do what a source must do.
#include "calve/source/run_source.h"
#include "calve/source/shard_source.h"
#include "calve/source/testing_source_conformance.h"

namespace calve::source {
namespace {

SourceOptions ServerOptions(const std::string& url) {
  SourceOptions options;
  options.url = url;
  options.password = "a secret";
  return options;
}

std::unique_ptr<Source> OpenEmbedded(SourcePlace& place) {
  SourceOptions options;
  options.url = "chdb:" + place.directory.path();
  return place.Open(options);
}

std::unique_ptr<Source> OpenServer(SourcePlace& place) { return place.Open(ServerOptions(place.one.url())); }

std::unique_ptr<Source> OpenCluster(SourcePlace& place, const std::vector<std::string>& shards) {
  SourceOptions options = ServerOptions(place.one.url());
  options.cluster.shards = shards;
  return place.Open(options);
}

std::unique_ptr<Source> OpenReplicas(SourcePlace& place) {
  return OpenCluster(place, {place.one.url() + " " + place.two.url()});
}

std::unique_ptr<Source> OpenShards(SourcePlace& place) {
  return OpenCluster(place, {place.one.url(), place.two.url()});
}

std::unique_ptr<Source> OpenOneShard(SourcePlace& place) {
  return std::make_unique<ShardSource>(place.Keep(OpenShards(place)), 1);
}

std::unique_ptr<Source> OpenRun(SourcePlace& place) {
  auto run = std::make_unique<RunSource>(place.Keep(OpenServer(place)), "t", [](const Event&) {});
  run->Begin("00112233-4455-6677-8899-aabbccddeeff", "read");
  return run;
}

INSTANTIATE_TEST_SUITE_P(Sources, SourceConformance,
                         ::testing::Values(SourceCase{"embedded", OpenEmbedded}, SourceCase{"http", OpenServer},
                                           SourceCase{"replicas", OpenReplicas, 1, false},
                                           SourceCase{"shards", OpenShards, 2, false},
                                           SourceCase{"one_shard", OpenOneShard, 1, false}, SourceCase{"run", OpenRun}),
                         SourceCaseName);

}  // namespace
}  // namespace calve::source
