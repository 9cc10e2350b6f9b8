// Where a new version of a row may have another time than the old one: the rows of cold that a window's rows replace.
#pragma once

#include <memory>

#include "calve/offload/row_replacement.h"

namespace calve::offload {

// How many keys of a window may be held with so much memory.
int64_t KeysInMemory(int64_t memory_bytes);

// Looks for the keys of the rows that `written` holds, and of those that hot deleted in the window, in the whole of the
// target's current snapshot, and writes the files anew that have them. `plan` tells table, cursor, columns, target and
// snapshot; its schema is that of the key alone. kConfig where the window has more than KeysInMemory rows. The caller
// commits both, written and replaced, and calls Release() when it does.
Result<RowReplacement::Files> ReplaceOlderVersions(const VerifyContext& context, const VerifyRequest& request,
                                                   const VerifyPlan& plan, const Window& window,
                                                   const std::vector<iceberg::DataFile>& written,
                                                   RowReplacement& replacement);

// The plan for it: kConfig where the target lacks a column of the key.
Result<VerifyPlan> PlanByKey(const source::SourceTable& table, const Cursor& cursor,
                             const std::vector<SelectedColumn>& columns, const iceberg::TableMetadata& target,
                             const std::vector<std::string>& key);

}  // namespace calve::offload
