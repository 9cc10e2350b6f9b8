// Where the watermark stands in a table's metadata: what every operation on the table must leave as it reads.
// docs/architecture.md, "Where the truth lives".
#pragma once

namespace calve::table {

// In the summary of a snapshot of calve's: up to where its rows reach.
inline constexpr const char* kWindowToKey = "calve.window-to";
inline constexpr const char* kWatermarkProperty = "calve.watermark";
inline constexpr const char* kWatermarkTag = "calve";

}  // namespace calve::table
