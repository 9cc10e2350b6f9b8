#include "calve/offload/slice_cut.h"

#include "calve/offload/chunk.h"

namespace calve::offload {

Result<std::vector<SliceRange>> CutSlices(source::Source& source, const source::SourceTable& table,
                                          const Cursor& cursor, const RowIdentity& identity, const Window& window,
                                          const CutOptions& options) {
  std::vector<SliceRange> slices;
  const auto add = [&](const Window& part) { slices.push_back({WindowPredicate(part, cursor), options.shard, 0, 0}); };
  // Versions of a row may be at several times: two queries could see two of them.
  if (options.rows_max <= 0 || identity.key_spans_time) {
    add(window);
    return slices;
  }
  ARROW_ASSIGN_OR_RAISE(const auto parts, AskParts(source, table, cursor, window, options.rows_max, options.settings));
  for (const Window& part : parts) add(part);
  if (slices.empty()) add(window);
  return slices;
}

}  // namespace calve::offload
