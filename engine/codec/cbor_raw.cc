#include "engine/codec/cbor_raw.h"

#include <algorithm>
#include <bit>
#include <cfloat>
#include <cmath>

namespace khipu::codec::raw {

// The half-precision float with this value, if there is one.
static std::optional<uint16_t> exact_half(float value) {
  const auto bits = std::bit_cast<uint32_t>(value);
  const auto sign = static_cast<uint16_t>(bits >> 16 & 0x8000);
  const int exponent = static_cast<int>(bits >> 23 & 0xff) - 127;
  const uint32_t mantissa = bits & 0x7fffff;
  if ((bits & 0x7fffffff) == 0) return sign;
  if (exponent > 15 || exponent < -24) return std::nullopt;
  if (exponent >= -14) {
    if ((mantissa & 0x1fff) != 0) return std::nullopt;
    return static_cast<uint16_t>(sign | (exponent + 15) << 10 | mantissa >> 13);
  }
  // A subnormal half is m * 2^-24; this float is (mantissa + 2^23) * 2^(exponent - 23).
  const uint32_t full = mantissa | 0x800000;
  const int shift = -1 - exponent;
  if ((full & ((1U << shift) - 1)) != 0) return std::nullopt;
  return static_cast<uint16_t>(sign | full >> shift);
}

static std::optional<float> exact_single(double value) {
  if (std::fabs(value) > static_cast<double>(FLT_MAX)) return std::nullopt;
  const auto single = static_cast<float>(value);
  if (static_cast<double>(single) != value) return std::nullopt;
  return single;
}

// Of a finite half.
static double from_half(uint16_t half) {
  const uint64_t sign = static_cast<uint64_t>(half & 0x8000) << 48;
  const uint64_t exponent = half >> 10 & 31;
  const uint64_t mantissa = half & 0x3ff;
  if (exponent != 0) return std::bit_cast<double>(sign | (exponent + 1008) << 52 | mantissa << 42);
  const double size = static_cast<double>(mantissa) * 0x1p-24;
  return sign != 0 ? -size : size;
}

uint8_t* put_real(uint8_t* at, double value) {
  KHIPU_ASSERT(std::isfinite(value));
  const std::optional<float> single = exact_single(value);
  if (!single) {
    *at = kSimple << 5 | 27;
    return put_be(at + 1, std::bit_cast<uint64_t>(value));
  }
  const std::optional<uint16_t> half = exact_half(*single);
  if (!half) {
    *at = kSimple << 5 | 26;
    return put_be(at + 1, std::bit_cast<uint32_t>(*single));
  }
  *at = kSimple << 5 | 25;
  return put_be(at + 1, *half);
}

Error Scan::error(size_t base) const {
  KHIPU_ASSERT(fault_ != nullptr);
  return {code_, std::string(fault_) + " at byte " + std::to_string(base + fault_at_)};
}

Result<void> Scan::finish_fault(Scan scan, const char* record) {
  scan.fail("bytes are left over");
  return scan.error().at(record);
}

Scan::Argument Scan::long_argument(const uint8_t* at, const uint8_t* end) {
  const uint8_t info = *at & 31;
  const auto left = static_cast<size_t>(end - at);
  const size_t size = size_t{1} << (info & 3);  // 24, 25, 26, 27: 1, 2, 4, 8 bytes
  if (info <= 27 && left >= 9) {                // nearly always: without a branch on the size, which nobody can guess
    const uint64_t value = load_be<uint64_t>(at + 1) >> (64 - 8 * size);
    const uint64_t least = info == 24 ? 24 : uint64_t{1} << (4 * size);
    return {value, value < least ? 0 : 1 + size};
  }
  if (info > 27 || left < 1 + size) return {0, 0};
  const uint8_t* from = at + 1;
  const uint64_t value = size == 1 ? *from : size == 2 ? load_be<uint16_t>(from) : load_be<uint32_t>(from);
  const uint64_t least = size == 1 ? 24 : uint64_t{1} << (4 * size);
  return {value, value < least ? 0 : 1 + size};
}

bool Scan::boolean() {
  if (at_end() || (*at_ != 0xf4 && *at_ != 0xf5)) {
    fail("expected true or false");
    return false;
  }
  return *at_++ == 0xf5;
}

double Scan::real() {
  const uint8_t first = at_end() ? uint8_t{0} : *at_;
  if (first < 0xf9 || first > 0xfb) {
    fail("expected a float");
    return 0;
  }
  const size_t size = size_t{2} << (first - 0xf9);
  if (left() < 1 + size) {
    fail("the bytes end inside an item");
    return 0;
  }
  const uint8_t* from = at_ + 1;
  double value = 0;
  bool shortest = true;
  bool finite = true;
  if (size == 2) {
    const auto half = load_be<uint16_t>(from);
    finite = (half & 0x7c00) != 0x7c00;
    value = from_half(half);
  } else if (size == 4) {
    const auto single = std::bit_cast<float>(load_be<uint32_t>(from));
    finite = std::isfinite(single);
    shortest = !exact_half(single);
    value = static_cast<double>(single);
  } else {
    value = std::bit_cast<double>(load_be<uint64_t>(from));
    finite = std::isfinite(value);
    shortest = !exact_single(value);
  }
  if (!finite) {
    fail("a float that is not finite");
    return 0;
  }
  if (!shortest) {
    fail("a float that is not in its shortest form");
    return 0;
  }
  at_ += 1 + size;
  return value;
}

void Scan::skip(unsigned depth) {
  if (depth >= kDepthMax) return fail("nested too deep");
  switch (major()) {
    case kUnsigned:
    case kNegative: head(major(), ""); return;
    case kBytes: bytes(); return;
    case kText: text(); return;
    case kArray:
      for (uint64_t count = array(); count > 0 && ok(); --count) skip(depth + 1);
      return;
    case kMap: return skip_map(depth);
    case kSimple:
      if (*at_ >= 0xf9 && *at_ <= 0xfb) {
        real();
      } else if (*at_ >= 0xf4 && *at_ <= 0xf6) {
        ++at_;
      } else {
        fail("a simple value other than false, true, null");
      }
      return;
    case kTag: return fail(at_end() ? "the bytes end inside an item" : "a tag");
  }
}

void Scan::skip_map(unsigned depth) {
  Bytes last;
  for (uint64_t count = map(); count > 0 && ok(); --count) {
    const uint8_t* from = at_;
    skip(depth + 1);
    if (!ok()) return;
    const Bytes key(from, at_);
    if (!last.empty() && !std::lexicographical_compare(last.begin(), last.end(), key.begin(), key.end())) {
      return fail_at(static_cast<size_t>(from - start_), "map keys repeated or out of order");
    }
    last = key;
    skip(depth + 1);
  }
}

}  // namespace khipu::codec::raw
