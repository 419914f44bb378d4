// Deterministic CBOR (RFC 8949 section 4.2.1): shortest heads, definite lengths, map keys in bytewise order of their
// encodings, shortest float that keeps the value. The reader refuses everything else, so one value has one encoding.
// Not a general CBOR library: tags and simple values other than false, true, null are refused; depth is bounded.
#pragma once

#include <cstdint>
#include <string_view>

#include "engine/base/bytes.h"
#include "engine/base/result.h"
#include "engine/base/utf8.h"

namespace khipu::codec {

namespace raw {
class Scan;  // cbor_raw.h
}

enum class CborKind : uint8_t { kUnsigned, kNegative, kBytes, kText, kArray, kMap, kFalse, kTrue, kNull, kFloat };

// Appends to a buffer it borrows, which nobody else may change meanwhile. The caller opens containers with exact counts
// and gives map keys (no containers) in order; both are asserted, the counts at the latest when the writer goes away.
class CborWriter {
 public:
  explicit CborWriter(Buffer& to) : to_(to) {}
  ~CborWriter();
  CborWriter(const CborWriter&) = delete;
  CborWriter& operator=(const CborWriter&) = delete;
  void unsigned_integer(uint64_t value);
  void integer(int64_t value);
  void bytes(Bytes value);
  void text(std::string_view value);  // must be valid UTF-8
  void array(uint64_t count);
  void map(uint64_t count);
  void boolean(bool value);
  void null();
  void real(double value);  // finite
  void raw(Bytes encoded);  // one already encoded item
 private:
  struct Level {
    uint64_t left = 0;  // items still to come; a map's keys and values both count
    bool is_map = false;
    size_t key_from = 0;  // the last key, as bytes of to_
    size_t key_size = 0;
  };
  void put(Bytes head, Bytes content = {}, uint64_t opens = 0);
  void begin();
  void end(uint64_t opens);

  Buffer& to_;
  std::array<Level, 16> levels_{};
  size_t depth_ = 0;
  size_t item_from_ = 0;
};

// One item head and where its content lies.
struct CborItem {
  CborKind kind = CborKind::kNull;
  uint64_t value = 0;  // kUnsigned: the value; kNegative: n of -1-n; kArray, kMap: count
  double real = 0;
  Bytes bytes;  // kBytes, kText: borrows from the reader's input
};

// Reads items front to back; never allocates. Any departure from deterministic form is kCorrupt with the offset.
class CborReader {
 public:
  explicit CborReader(Bytes bytes) : start_(bytes.data()), rest_(bytes) {}
  Result<CborItem> next();
  // next() with the kind checked; "expected text at byte 17".
  Result<uint64_t> unsigned_integer();
  Result<int64_t> integer();
  Result<Bytes> bytes();
  Result<std::string_view> text();  // valid UTF-8 checked
  Result<uint64_t> array();
  Result<uint64_t> map();
  Result<bool> boolean();
  Result<double> real();
  Result<Bytes> skip();  // one whole item with everything inside it; returns its encoding
  template <size_t N>
  Result<std::array<uint8_t, N>> fixed() {  // a byte string of exactly N bytes
    KHIPU_TRY_ASSIGN(const Bytes value, bytes());
    if (value.size() != N) return fail("byte string of the wrong length");
    std::array<uint8_t, N> out;
    std::memcpy(out.data(), value.data(), N);
    return out;
  }
  bool done() const { return rest_.empty(); }
  Result<void> expect_end() const;  // kCorrupt when bytes are left over
  size_t offset() const { return static_cast<size_t>(rest_.data() - start_); }
  CborKind peek() const;  // kind of the next item by its first byte; kNull at the end
  Error fail(std::string_view what) const;

 private:
  template <typename Read>
  auto with_scan(Read read) -> Result<decltype(read(std::declval<raw::Scan&>()))>;
  const uint8_t* start_;
  Bytes rest_;
};

// Walks a map with ascending unsigned keys, refusing repeats and disorder: while (auto key = map.next()) ...
class CborIntMap {
 public:
  static Result<CborIntMap> open(CborReader& reader);
  // The next key, or nullopt after the last one. The caller consumes exactly one item between calls.
  Result<std::optional<uint64_t>> next();

 private:
  CborIntMap(CborReader& reader, uint64_t count) : reader_(&reader), left_(count) {}
  CborReader* reader_;
  uint64_t left_;
  std::optional<uint64_t> last_;
};

using khipu::valid_utf8;

}  // namespace khipu::codec
