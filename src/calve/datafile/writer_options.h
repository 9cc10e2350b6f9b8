// Table properties (write.*) as writer options.
#pragma once

#include <arrow/util/type_fwd.h>

#include "calve/datafile/data_file_writer.h"

namespace calve::datafile {

// By Iceberg's name; kConfig for one that is unknown or not built in.
Result<arrow::Compression::type> CompressionOf(const std::string& name);

// Ranges and spellings; kConfig names the table property that an option comes from.
Status CheckWriterOptions(const WriterOptions& options);

}  // namespace calve::datafile
