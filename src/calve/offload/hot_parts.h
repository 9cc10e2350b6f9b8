// The parts of a MergeTree table: what ClickHouse tells of them, and what has to be asked to know which may go.
//
// A part never changes under its name: merges and mutations make parts with other names, and rows that are inserted
// come in new ones. (Patch parts, which lightweight updates leave, are the exception: CheckNothingIsPending.)
#pragma once

#include <set>
#include <string>
#include <vector>

#include "calve/offload/window.h"

namespace calve::offload {

struct HotPart {
  std::string name, partition_id;
  int64_t block_min = 0, block_max = 0;
  int64_t rows = 0, bytes = 0;    // on disk
  bool has_deleted_rows = false;  // by DELETE FROM, which leaves them in the part
  int64_t rows_hidden() const { return rows - rows_allowed; }
  // Of the rows that this user's SELECT sees:
  int64_t rows_seen = 0;
  int64_t rows_null_cursor = 0;
  TimestampMicros first = 0, last = 0;  // cut to microseconds; 0 where no row has a cursor
  bool old = false;                     // none of them is after the limit
  int64_t rows_allowed = 0;             // seen or deleted; what is missing to `rows` is kept from this user
};

// Active parts with rows, by first cursor value, those that no row was seen of first. Takes one look at the whole
// cursor column. kUnsupported for engines that keep no parts.
Result<std::vector<HotPart>> ListHotParts(source::Source& source, const source::SourceTable& table,
                                          const Cursor& cursor, TimestampMicros limit,
                                          const source::QueryOptions& options);

// Names of all active parts, also empty ones.
Result<std::set<std::string>> ActivePartNames(source::Source& source, const source::SourceTable& table);

// kConfig where the table has columns that are hidden from this user, and so were never offloaded.
Status CheckColumnsAreSeen(source::Source& source, const source::SourceTable& table);

// What became of a part after a statement whose outcome is not known.
enum class PartState {
  kActive,
  kDropped,
  kMerged,  // its rows are in another part
};
Result<PartState> AskPartState(source::Source& source, const source::SourceTable& table, const HotPart& part);

// kRetry with the mutation's command (or the patch parts) named where parts are still to be rewritten: what they hold
// is not yet what the table says.
Status CheckNothingIsPending(source::Source& source, const source::SourceTable& table);

// Two rows of one sorting key are in one partition: all columns of the partition key are plain parts of the other.
// Pure.
bool PartitionFollowsKey(const source::SourceTable& table);

// The questions which of the table's parts hold a sorting key that another part holds as well; each answers with names
// of parts, one a row. `old` are the parts that matter, `all` the table's. Where the partition follows from the sorting
// key, partitions are asked one by one; where the cursor is in it, only the range of `old`. Pure.
std::vector<std::string> SharedKeyQueries(const source::SourceTable& table, const Cursor& cursor,
                                          const std::vector<HotPart>& all, const std::vector<HotPart>& old);

// Parts with rows in any of the ranges, of those named. Pure.
std::string PartsInRangesQuery(const source::SourceTable& table, const Cursor& cursor,
                               const std::vector<HotPart>& parts, const std::vector<Window>& ranges);

// The first column of a query's answer.
Result<std::set<std::string>> AskNames(source::Source& source, const std::string& sql,
                                       const source::QueryOptions& options);

}  // namespace calve::offload
