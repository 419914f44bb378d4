// Protected values from a record: what parses has the sizes and numbers a sealer writes, padding is taken away only
// where one was put, and keys handed in by text are sorted or refused without being quoted.
#include "engine/protect/key_ring.h"
#include "engine/protect/transform.h"
#include "engine/protect/value.h"
#include "tests/fuzz/fuzz.h"

using namespace khipu;

KHIPU_FUZZ(input) {
  if (const auto sealed = protect::parse_sealed(input); sealed.ok()) {
    KHIPU_ASSERT(sealed->key_number != 0 && sealed->nonce.size() == protect::kNonceSize);
    KHIPU_ASSERT(protect::padded_size(sealed->size_class() - 1) == sealed->size_class());
    KHIPU_ASSERT(input.size() == protect::sealed_size(sealed->size_class()));
  }
  if (const auto digest = protect::parse_digest(input); digest.ok()) {
    const auto again = protect::digest_bytes(*digest);
    KHIPU_ASSERT(std::equal(again.begin(), again.end(), input.begin(), input.end()));
  }
  if (input.size() <= protect::kPlaintextSizeMax) {
    if (const auto size = protect::unpadded_size(input); size.ok()) {
      KHIPU_ASSERT(*size < input.size() && protect::padded_size(*size) == input.size());
    }
  }
  if (const auto rings = protect::parse_reader_rings(input); !rings.ok()) {
    KHIPU_ASSERT(!rings.error().message.empty() && rings.error().message.size() < 300);
  }
  if (input.empty()) return;
  // A value's terms are found again by a probe with the same text.
  const std::string_view text = as_text(input.subspan(1));
  for (const auto index : {codec::BlindIndex::kExact, codec::BlindIndex::kPrefix, codec::BlindIndex::kNgram}) {
    const protect::IndexRule rule{index, index == codec::BlindIndex::kExact ? 0 : 1U + input[0] % 8};
    protect::Terms kept, asked;
    protect::terms_of_value(rule, text, kept);
    if (!protect::terms_of_probe(rule, protect::Compare::kExactCi, text, asked).ok()) continue;
    for (size_t i = 0; i < asked.size(); ++i) {
      bool found = false;
      for (size_t j = 0; j < kept.size() && !found; ++j) found = kept[j] == asked[i];
      KHIPU_ASSERT(found);
    }
  }
}
