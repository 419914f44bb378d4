// Names, header and terms of an index file: what is derived from one sealed segment of logs/ or registry/ (seg-N.idx),
// or from some rows of one that still grows (seg-N.run-K). Specified in engine/FORMAT.md "Index files". Encode and
// parse only, no I/O. Building: builder.h; looking up: reader.h.
//
// A term is one field byte and a key. Equal values have equal terms; where a key was cut, several values share a term,
// and `exact` is false: its rows are candidates, to be compared with the record.
#pragma once

#include <array>
#include <optional>
#include <string>

#include "engine/base/bytes.h"
#include "engine/base/ids.h"
#include "engine/base/result.h"
#include "engine/codec/protected.h"

namespace khipu::index {

// Of logs/ 1. Of registry/ 2, with the terms of fields kAttribute and kDeleted; 1 without, as older writers made it.
constexpr uint16_t newest_version(TableId table) { return table == TableId::kRegistry ? 2 : 1; }
inline constexpr uint64_t kBlockSize = 64 << 10;  // of the file, hashed one by one
inline constexpr size_t kTextKeySizeMax = 64;     // longer words are cut
inline constexpr size_t kNameCutSize = 48;        // of a name that is cut, before 16 bytes of its hash
inline constexpr size_t kUrlKeySizeMax = 24;      // of a url only its beginning is a term
inline constexpr size_t kTermSizeMax = 72;
inline constexpr size_t kPageSize = 1024;      // a page of the dictionary ends with the entry that reaches this
inline constexpr uint32_t kInlineRowsMax = 8;  // lists up to here stand in the dictionary
inline constexpr uint32_t kRowsMax = 1U << 26;

inline constexpr std::array<TableId, 2> kIndexedTables = {TableId::kRegistry, TableId::kLogs};
constexpr bool is_indexed(TableId table) { return table == TableId::kRegistry || table == TableId::kLogs; }
inline constexpr uint32_t kRunRows = 8192;  // of a run

std::string index_name(SegmentNumber number);                          // "seg-0000000042.idx"
std::optional<SegmentNumber> parse_index_name(std::string_view name);  // nullopt unless exactly that form
// Run K holds rows [kRunRows * K, kRunRows * (K + 1)) of its segment.
struct RunName {
  SegmentNumber segment;
  uint64_t run = 0;
  bool operator==(const RunName&) const = default;
};
std::string run_name(const RunName& run);                      // "seg-0000000042.run-7"
std::optional<RunName> parse_run_name(std::string_view name);  // nullopt unless exactly that form
inline constexpr std::string_view kUnfinishedSuffix = ".new";  // index_name + this while it is written

enum class Field : uint8_t {
  kActor = 1,        // registry row of the entity's first version, big-endian
  kTarget = 2,       // the same, of each target
  kAction = 3,       // text
  kActionClass = 4,  // one byte
  kOutcome = 5,      // one byte
  kSource = 6,       // text, also the empty one
  kUrl = 7,          // the beginning of a url that is not empty
  kColumn = 8,       // column id, big-endian u32; 't' text | 'j' json | 'n' number as a double's bits, big-endian
                     // | 'd' digest | 'x' number of the blind index, one byte, and one of its tokens
  kName = 9,         // registry/: type, NUL, id; when that is long, its beginning and a hash
  kAttribute = 10,   // registry/: what a field of the version says (attributes.h)
  kDeleted = 11,     // registry/: nothing more; of versions that mark the end
};

struct Term {
  std::array<uint8_t, kTermSizeMax> bytes;
  uint8_t size = 0;
  bool exact = true;
  Bytes view() const { return {bytes.data(), size}; }
};
Term entity_term(Field field, Row entity);
Term word_term(Field field, std::string_view word);            // kAction, kSource, kUrl
Term code_term(Field field, uint8_t code);                     // kActionClass, kOutcome
Term column_term(uint32_t column, const codec::Value& value);  // not of a protected value
Term digest_term(uint32_t column, Bytes digest);
Term token_term(uint32_t column, uint8_t index, const codec::Token& token);
Term name_term(std::string_view type, std::string_view id);  // exact: what is cut has a hash in the place of its end
Term deleted_term();
// Equal doubles have equal bits, minus zero those of zero; big-endian. `exact`: no other number has that double.
struct NumberKey {
  std::array<uint8_t, 8> bytes{};
  bool exact = true;
};
NumberKey number_key(const codec::Value& value);

// Where the parts of a file begin; each ends where the next one begins.
enum Section : size_t {
  kPageIndex,           // the dictionary's pages: where, and each one's first term
  kPages,               // terms in order, front-coded, with counts and short lists
  kLists,               // longer lists of rows
  kTimes,               // occurred_at by row
  kRecorded,            // recorded_at by row
  kOffsets,             // frame offset by row
  kByTime,              // logs/: rows by (occurred_at, row); empty when that is the order they are in
  kEntities = kByTime,  // registry/: row of the entity's first version, by row
  kSectionCount
};

struct Header {
  TableId table = TableId::kLogs;
  uint16_t version = 1;
  bool in_order = true;  // occurred_at never falls
  SegmentNumber number;
  Row first_row;
  uint32_t rows = 0;
  uint32_t terms = 0;
  uint32_t pages = 0;
  TimeUs time_min = 0, time_max = 0;
  std::array<uint32_t, kSectionCount + 1> sections{};  // the last one: the end of them all
  bool has_attributes() const { return table == TableId::kRegistry && version >= 2; }
  bool operator==(const Header&) const = default;
};
inline constexpr uint64_t kHeaderSize = 128;
std::array<uint8_t, kHeaderSize> encode_header(const Header& header);
// kUnsupported for another version; kCorrupt for anything that does not fit together. `body` is the file without its
// block hashes.
Result<Header> parse_header(Bytes bytes, uint64_t body);

// A file is its body, then the hash of each block of it: SHA-256(0x00 | block). The root is RFC 6962's over these.
// nullopt when no body has that file size.
std::optional<uint64_t> body_size(uint64_t file_size);
constexpr uint64_t block_count(uint64_t body) { return (body + kBlockSize - 1) / kBlockSize; }

}  // namespace khipu::index
