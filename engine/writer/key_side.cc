#include "engine/writer/key_side.h"

#include "engine/codec/frame.h"
#include "engine/crypto/key_file.h"
#include "engine/tree/note.h"

namespace khipu::writer {
namespace {

constexpr std::string_view kStateMagic = "KHIPUST1";

Result<Keys> assemble(const crypto::Key& signing, crypto::Key index) {
  KHIPU_TRY_ASSIGN(crypto::SigningKey key, crypto::signing_key(signing));
  const std::array<uint8_t, 4> id = tree::key_id(signing.name, tree::KeyType::kEd25519, key.public_key());
  return Keys{std::move(key), std::move(index.bytes), signing.name, id};
}

}  // namespace

std::array<uint8_t, kStateSize> encode_state(const SignedState& state) {
  Buffer bytes;
  append(bytes, as_bytes(kStateMagic));
  append(bytes, state.root_id);
  append_le(bytes, state.number.value);
  append(bytes, state.hash);
  for (const codec::TableState& table : state.tables) {
    append_le(bytes, table.size);
    append(bytes, table.root);
  }
  append_le(bytes, state.checkpoint);
  append_le(bytes, state.log_offset);
  append_le(bytes, state.moved);
  append_le(bytes, uint32_t{0});
  KHIPU_ASSERT(bytes.size() == kStateSize);
  std::array<uint8_t, kStateSize> out;
  std::memcpy(out.data(), bytes.data(), out.size());
  return out;
}

Result<SignedState> parse_state(Bytes bytes) {
  constexpr size_t kFileSize = kStateSize + sizeof(uint32_t);
  if (bytes.size() != kFileSize || as_text(bytes.first(8)) != kStateMagic ||
      load_le<uint32_t>(bytes.data() + kStateSize) != codec::crc32c(bytes.first(kStateSize))) {
    return Error{Code::kCorrupt, "the last signed state is damaged" + std::string(kHowToAcceptRollback)};
  }
  Cursor cursor(bytes.subspan(8));
  SignedState state;
  state.root_id = cursor.array<16>();
  state.number.value = cursor.get<uint64_t>();
  state.hash = cursor.array<32>();
  for (codec::TableState& table : state.tables) {
    table.size = cursor.get<uint64_t>();
    table.root = cursor.array<32>();
  }
  state.checkpoint = cursor.get<uint64_t>();
  state.log_offset = cursor.get<uint64_t>();
  state.moved = cursor.get<uint32_t>();
  if (cursor.get<uint32_t>() != 0) return Error{Code::kCorrupt, "reserved bytes of the last signed state"};
  return state;
}

Result<void> save_state(os::Directory& keys, const SignedState& state) {
  const auto encoded = encode_state(state);
  Buffer bytes(encoded.begin(), encoded.end());
  append_le(bytes, codec::crc32c(encoded));
  return keys.replace_file(kStateName, bytes, 0600);
}

Result<SignedState> load_state(os::Directory& keys) {
  auto file = keys.open_file(kStateName, os::Mode::kRead);
  if (!file.ok()) {
    if (file.error().code != Code::kNotFound) return std::move(file).error();
    return Error{Code::kCorrupt, keys.path() +
                                     "/state is missing: without the last signed state nobody can tell "
                                     "whether the log was put back to an older copy" +
                                     std::string(kHowToAcceptRollback)};
  }
  KHIPU_TRY_ASSIGN(const Buffer bytes, file.value()->read_all(4096));
  return at(keys.path() + "/state", parse_state(bytes));
}

Result<Keys> load_keys(os::Directory& keys) {
  KHIPU_TRY_ASSIGN(const crypto::Key signing,
                   crypto::open_key_file(keys, crypto::kSigningKeyFileName, crypto::KeyKind::kSigning));
  KHIPU_TRY_ASSIGN(crypto::Key index, crypto::open_key_file(keys, crypto::kIndexKeyFileName, crypto::KeyKind::kIndex));
  return assemble(signing, std::move(index));
}

Result<Keys> create_keys(os::Directory& keys, const std::string& origin, TimeUs now) {
  const crypto::Key signing = crypto::generate_key(crypto::KeyKind::kSigning, origin, now);
  crypto::Key index = crypto::generate_key(crypto::KeyKind::kIndex, origin, now);
  KHIPU_TRY_ASSIGN(const crypto::Key verifier, crypto::verifier_of(signing));
  KHIPU_TRY(crypto::create_key_file(keys, crypto::kSigningKeyFileName, signing));
  KHIPU_TRY(crypto::create_key_file(keys, crypto::kIndexKeyFileName, index));
  KHIPU_TRY(crypto::create_key_file(keys, crypto::kVerifierKeyFileName, verifier));
  return assemble(signing, std::move(index));
}

}  // namespace khipu::writer
