#include "engine/index/format.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <cmath>

#include "engine/tree/tree.h"

namespace khipu::index {
namespace {

constexpr std::string_view kMagic = "khipuidx";
constexpr double kExactDouble = 9007199254740992.0;  // 2^53: below it, equal doubles are equal integers

void put(Term& term, uint8_t byte) { term.bytes[term.size++] = byte; }
// At once: a byte at a time, each would wait for the size that the one before it left.
template <typename T>
void put_be(Term& term, T value) {
  store_be(term.bytes.data() + term.size, value);
  term.size += sizeof value;
}
void put_text(Term& term, std::string_view text, size_t size_max) {
  const size_t size = std::min(text.size(), size_max);
  std::copy_n(text.begin(), size, term.bytes.begin() + term.size);
  term.size = static_cast<uint8_t>(term.size + size);
  term.exact = text.size() < size_max;
}

}  // namespace

std::string index_name(SegmentNumber number) { return fmt::format("seg-{:010}.idx", number.value); }

std::optional<SegmentNumber> parse_index_name(std::string_view name) {
  if (!name.starts_with("seg-") || !name.ends_with(".idx") || name.size() < 18 || name.size() > 28) return std::nullopt;
  uint64_t number = 0;
  for (const char c : name.substr(4, name.size() - 8)) {
    const auto digit = static_cast<uint64_t>(c - '0');
    if (c < '0' || c > '9' || number > (UINT64_MAX - digit) / 10) return std::nullopt;
    number = number * 10 + digit;
  }
  if (index_name({number}) != name) return std::nullopt;
  return SegmentNumber{number};
}

std::string run_name(const RunName& run) { return fmt::format("seg-{:010}.run-{}", run.segment.value, run.run); }

std::optional<RunName> parse_run_name(std::string_view name) {
  const size_t dot = name.find(".run-");
  if (dot == std::string_view::npos) return std::nullopt;
  const std::optional<SegmentNumber> segment = parse_index_name(std::string(name.substr(0, dot)) + ".idx");
  RunName run;
  const std::string_view digits = name.substr(dot + 5);
  const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), run.run);
  if (!segment || error != std::errc() || end != digits.data() + digits.size()) return std::nullopt;
  run.segment = *segment;
  if (run_name(run) != name) return std::nullopt;
  return run;
}

Term entity_term(Field field, Row entity) {
  Term term;
  put(term, static_cast<uint8_t>(field));
  put_be(term, entity.value);
  return term;
}

Term word_term(Field field, std::string_view word) {
  Term term;
  put(term, static_cast<uint8_t>(field));
  put_text(term, word, field == Field::kUrl ? kUrlKeySizeMax : kTextKeySizeMax);
  return term;
}

Term code_term(Field field, uint8_t code) {
  Term term;
  put(term, static_cast<uint8_t>(field));
  put(term, code);
  return term;
}

Term column_term(uint32_t column, const codec::Value& value) {
  Term term;
  put(term, static_cast<uint8_t>(Field::kColumn));
  put_be(term, column);
  using Kind = codec::Value::Kind;
  if (value.kind == Kind::kText || value.kind == Kind::kJson) {
    put(term, value.kind == Kind::kText ? 't' : 'j');
    put_text(term, value.text, kTextKeySizeMax);
    return term;
  }
  const NumberKey number = number_key(value);
  put(term, 'n');
  put_text(term, as_text(number.bytes), number.bytes.size());
  term.exact = number.exact;
  return term;
}

NumberKey number_key(const codec::Value& value) {
  using Kind = codec::Value::Kind;
  double number = value.real;
  if (value.kind == Kind::kInteger) number = static_cast<double>(value.integer);
  if (value.kind == Kind::kUnsigned) number = static_cast<double>(value.unsigned_integer);
  if (number == 0) number = 0;  // not minus zero
  NumberKey key;
  const auto bits = std::bit_cast<uint64_t>(number);
  for (size_t i = 0; i < key.bytes.size(); ++i) key.bytes[i] = static_cast<uint8_t>(bits >> (56 - 8 * i));
  key.exact = std::abs(number) < kExactDouble;  // false for NaN too
  return key;
}

Term digest_term(uint32_t column, Bytes digest) {
  Term term;
  put(term, static_cast<uint8_t>(Field::kColumn));
  put_be(term, column);
  put(term, 'd');
  put_text(term, as_text(digest), kTextKeySizeMax);
  return term;
}

Term token_term(uint32_t column, uint8_t index, const codec::Token& token) {
  Term term;
  put(term, static_cast<uint8_t>(Field::kColumn));
  put_be(term, column);
  put(term, 'x');
  put(term, index);
  put_text(term, as_text(token), token.size());
  return term;
}

Term name_term(std::string_view type, std::string_view id) {
  constexpr size_t kHashSize = kTextKeySizeMax - kNameCutSize;
  Term term;
  put(term, static_cast<uint8_t>(Field::kName));
  if (type.size() + 1 + id.size() < kTextKeySizeMax) {
    put_text(term, type, kTextKeySizeMax);
    put(term, 0);
    put_text(term, id, kTextKeySizeMax);
    return term;
  }
  const std::string name = std::string(type).append(1, '\0').append(id);
  put_text(term, name, kNameCutSize);
  const Hash hash = tree::leaf_hash(as_bytes(name));
  put_text(term, as_text(Bytes(hash).first(kHashSize)), kHashSize);
  term.exact = true;
  return term;
}

Term deleted_term() {
  Term term;
  put(term, static_cast<uint8_t>(Field::kDeleted));
  return term;
}

std::array<uint8_t, kHeaderSize> encode_header(const Header& header) {
  std::array<uint8_t, kHeaderSize> bytes{};
  std::copy(kMagic.begin(), kMagic.end(), bytes.begin());
  store_le(&bytes[8], header.version);
  bytes[10] = static_cast<uint8_t>(header.table);
  bytes[11] = header.in_order ? 1 : 0;
  store_le(&bytes[12], header.rows);
  store_le(&bytes[16], header.number.value);
  store_le(&bytes[24], header.first_row.value);
  store_le(&bytes[32], header.time_min);
  store_le(&bytes[40], header.time_max);
  store_le(&bytes[48], header.terms);
  store_le(&bytes[52], header.pages);
  for (size_t i = 0; i < header.sections.size(); ++i) store_le(&bytes[56 + 4 * i], header.sections[i]);
  return bytes;
}

Result<Header> parse_header(Bytes bytes, uint64_t body) {
  const auto corrupt = [](const char* what) { return Error{Code::kCorrupt, what}; };
  if (bytes.size() < kHeaderSize) return corrupt("shorter than its header");
  if (as_text(bytes.first(kMagic.size())) != kMagic) return corrupt("not an index file");
  Header header;
  header.version = load_le<uint16_t>(&bytes[8]);
  header.table = static_cast<TableId>(bytes[10]);
  if (header.version == 0 || header.version > newest_version(header.table)) {
    return Error{Code::kUnsupported, fmt::format("index format version {}", header.version)};
  }
  if (!is_indexed(header.table) || bytes[11] > 1) return corrupt("an unknown table or flag");
  header.in_order = bytes[11] == 1;
  header.rows = load_le<uint32_t>(&bytes[12]);
  header.number.value = load_le<uint64_t>(&bytes[16]);
  header.first_row.value = load_le<uint64_t>(&bytes[24]);
  header.time_min = load_le<int64_t>(&bytes[32]);
  header.time_max = load_le<int64_t>(&bytes[40]);
  header.terms = load_le<uint32_t>(&bytes[48]);
  header.pages = load_le<uint32_t>(&bytes[52]);
  uint64_t at = kHeaderSize;
  for (size_t i = 0; i < header.sections.size(); ++i) {
    header.sections[i] = load_le<uint32_t>(&bytes[56 + 4 * i]);
    if (header.sections[i] < at || header.sections[i] > body) return corrupt("sections that do not follow each other");
    at = header.sections[i];
  }
  if (header.sections[0] != kHeaderSize || at != body) return corrupt("sections that do not fill the file");
  for (size_t i = 56 + 4 * header.sections.size(); i < kHeaderSize; ++i) {
    if (bytes[i] != 0) return corrupt("reserved bytes that are not zero");
  }
  if (header.rows > kRowsMax) return corrupt("more rows than a segment can have");
  return header;
}

std::optional<uint64_t> body_size(uint64_t file_size) {
  const uint64_t blocks = (file_size + kBlockSize + 31) / (kBlockSize + 32);
  if (file_size < 32 * blocks) return std::nullopt;
  const uint64_t body = file_size - 32 * blocks;
  if (body < kHeaderSize || body > UINT32_MAX || block_count(body) != blocks) return std::nullopt;
  return body;
}

}  // namespace khipu::index
