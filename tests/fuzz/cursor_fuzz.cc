// Cursors: as they come from a client, and with the tag that only their maker can put on: what opens seals to the same
// text, and no cursor is of both kinds.
#include "engine/crypto/aead.h"
#include "engine/crypto/hash.h"
#include "engine/query/cursor.h"
#include "tests/fuzz/fuzz.h"

using namespace khipu;

KHIPU_FUZZ(input) {
  const std::array<uint8_t, 32> key{1, 2, 3};
  const query::CursorSealer sealer(key);
  const auto check = [&](std::string_view text) {
    const auto event = sealer.open_event(text);
    const auto history = sealer.open_history(text);
    KHIPU_ASSERT(!event.ok() || !history.ok());
    if (event.ok()) KHIPU_ASSERT(sealer.seal(*event) == text);
    if (history.ok()) KHIPU_ASSERT(sealer.seal(*history) == text);
  };
  check(as_text(input));
  const Hash cipher_key = crypto::blake2b_keyed(key, "khipu-cursor-v2-key", {Bytes()});
  const Hash hash = crypto::blake2b_keyed(key, "khipu-cursor-v2-nonce", {input});
  const Bytes nonce = Bytes(hash).first(crypto::kAeadNonceSize);
  Buffer sealed(nonce.begin(), nonce.end());
  sealed.resize(nonce.size() + input.size() + crypto::kAeadTagSize);
  crypto::aead_seal(cipher_key, nonce, as_bytes("a2."), input, std::span(sealed).subspan(nonce.size()));
  std::string text = base64(sealed);
  while (text.ends_with('=')) text.pop_back();
  for (char& c : text) c = c == '+' ? '-' : c == '/' ? '_' : c;
  check("a2." + text);
}
