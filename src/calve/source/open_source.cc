#include "calve/source/chdb_source.h"
#include "calve/source/cluster_source.h"
#include "calve/source/http_source.h"
#include "calve/source/source.h"
#include "calve/source/source_url.h"

namespace calve::source {

Result<std::unique_ptr<Source>> OpenSource(const SourceOptions& options, const StopToken& stop) {
  ARROW_ASSIGN_OR_RAISE(const SourceUrl url, ParseSourceUrl(options.url));
  if (options.cluster.given()) return OpenClusterSource(url, options, stop, OpenHttpSource);
  if (url.scheme == SourceScheme::kChdb) return OpenChdbSource(url, options, stop);
  return OpenHttpSource(url, options, stop);
}

}  // namespace calve::source
