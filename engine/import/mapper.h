// What a foreign format is to the importer: how its input is cut into records, which types and columns it needs, and
// how one record becomes one event. One file a format beside this; engine/import/runner drives them.
//
// Rules for every mapper: the record's bytes go verbatim into `content`; nothing is invented (what the record does not
// say stays unknown or absent); ids from outside are attributes; a record that cannot be mapped is refused with a
// reason and parked by the runner, never dropped.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "engine/codec/schema.h"
#include "engine/ingest/event.h"

namespace khipu::import {

// How an input is cut into records.
enum class Container {
  kJson,          // objects: one a line, in an array, in a wrapper, pretty-printed or one after another
  kLines,         // every line is a record
  kJsonOrCsv,     // kJson, or CSV whose header has a column _raw with the JSON record (Splunk)
  kJsonOrExport,  // kJson, or the journal export format
};

struct SourceOptions {
  Container container = Container::kJson;
  std::vector<std::string> wrappers;  // members of an outer object whose arrays hold the records: "Records"
  uint64_t record_size_bytes_max =
      16ULL << 20;               // a longer one is parked in pieces of this size (runner.h: their beginnings)
  bool last_line_waits = false;  // a last line, row or entry without its end is not read, and a warning says so
};

struct Record {
  Bytes raw;               // as it stands in the input: what `content` keeps
  std::string_view inner;  // the JSON record inside (CSV column _raw), or empty: it is `raw` itself
  bool adopted = false;    // the batch owns the bytes of `raw` already, so an event may view them
};

class Mapper {
 public:
  virtual ~Mapper() = default;
  virtual std::string_view format() const = 0;  // "cloudtrail", as receipts name it
  virtual Hash mapping() const { return {}; }   // SHA-256 of the mapping file, or zeroes
  virtual SourceOptions source() const { return {}; }
  virtual std::vector<codec::TypeSchema> types() const = 0;
  virtual std::vector<codec::ColumnSchema> columns() const = 0;  // ids 0: the writer gives them
  // The record is borrowed. Appends one event that views only bytes of the batch, or says why the record is none (the
  // batch keeps its events).
  virtual Result<void> map(const Record& record, ingest::Batch& batch) = 0;
};

std::unique_ptr<Mapper> make_cloudtrail_mapper();
std::unique_ptr<Mapper> make_kubernetes_mapper();
std::unique_ptr<Mapper> make_journald_mapper();
// `text` is the mapping file; kInvalid names what is wrong in it and where.
Result<std::unique_ptr<Mapper>> make_jsonl_mapper(std::string_view text);

// "cloudtrail", "kubernetes", "journald", or "jsonl" with the text of its mapping file (others take none).
Result<std::unique_ptr<Mapper>> make_mapper(std::string_view format, std::string_view mapping_text);

}  // namespace khipu::import
