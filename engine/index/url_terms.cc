#include "engine/index/url_terms.h"

#include "engine/index/radix.h"

namespace khipu::index {

void UrlTerms::add(std::string_view url, uint32_t row) {
  std::array<uint8_t, kUrlKeySizeMax> padded;
  const uint8_t* bytes = as_bytes(url).data();
  const size_t size = std::min(url.size(), kUrlKeySizeMax);
  if (size < kUrlKeySizeMax) {
    padded.fill(0);
    std::copy_n(bytes, size, padded.begin());
    bytes = padded.data();
  }
  Noted& noted = noted_.emplace_back();
  for (size_t i = 0; i < kWords; ++i) noted.words[i] = load_be<uint64_t>(bytes + i * sizeof(uint64_t));
  noted.size = static_cast<uint32_t>(size);
  noted.row = row;
}

// Least part of the key first. Stable, so that the rows of a term stay ascending. Parts in which all are the same, such
// as what every url of a log begins with, cost one look.
void UrlTerms::sort() {
  order_.resize(noted_.size());
  rows_.resize(noted_.size());
  if (noted_.empty()) return;
  for (size_t i = 0; i < order_.size(); ++i) order_[i].at = i;
  const auto sort_by = [&](const auto& part_of) {
    const uint64_t first = part_of(noted_.front());
    const bool differ =
        std::any_of(noted_.begin(), noted_.end(), [&](const Noted& one) { return part_of(one) != first; });
    if (!differ) return;
    for (Place& place : order_) place.key = part_of(noted_[place.at]);
    sort_digits(scratch_, std::span(order_), [](const Place& place) { return place.key; });
  };
  sort_by([](const Noted& one) { return uint64_t{one.size}; });
  for (size_t word = kWords; word-- > 0;) sort_by([word](const Noted& one) { return one.words[word]; });
}

}  // namespace khipu::index
