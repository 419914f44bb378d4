// A locked key file from outside: refused without being quoted and, whatever it says of its cost, before that cost is
// paid: the passphrase is one byte too short, which is found out behind the form and before Argon2id.
#include "engine/crypto/key_lock.h"
#include "tests/fuzz/fuzz.h"

using namespace khipu;

KHIPU_FUZZ(input) {
  const auto key = crypto::unlock_key(input, as_bytes("11 letters."));
  KHIPU_ASSERT(!key.ok() && !key.error().message.empty() && key.error().message.size() < 200);
}
