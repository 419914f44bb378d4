#include "engine/crypto/cursor_key.h"

#include <chrono>
#include <cstdlib>
#include <thread>

#include "engine/crypto/hash.h"
#include "engine/crypto/key_file.h"
#include "engine/os/clock.h"

namespace khipu::crypto {
namespace {

constexpr int kTriesMax = 200;
constexpr std::chrono::milliseconds kPause(10);

// The folder for what this user's programs remember; empty when the environment names none.
std::string state_folder() {
  if (const char* state = std::getenv("XDG_STATE_HOME"); state != nullptr && *state == '/')
    return std::string(state) + "/khipu";
  if (const char* home = std::getenv("HOME"); home != nullptr && *home == '/')
    return std::string(home) + "/.local/state/khipu";
  return {};
}

// With what is missing above it.
Result<std::unique_ptr<os::Directory>> make_folder(const std::string& path) {
  auto made = os::create_directory(path, 0700);
  const size_t slash = path.rfind('/');
  if (made.ok() || made.error().code != Code::kNotFound || slash == 0 || slash == std::string::npos) return made;
  KHIPU_TRY(make_folder(path.substr(0, slash)));
  return os::create_directory(path, 0700);
}

// Servers that are started together make one key: whoever finds it missing does so under a lock beside it.
Result<Key> make_key(os::Directory& directory, const std::string& name) {
  KHIPU_TRY_ASSIGN(const auto lock, directory.open_file(name + ".lock", os::Mode::kCreate, 0600));
  bool locked = false;
  for (int tries = 0; !locked && tries < kTriesMax; ++tries) {
    KHIPU_TRY_ASSIGN(locked, lock->try_lock(0, 1, os::LockKind::kExclusive));
    if (!locked) std::this_thread::sleep_for(kPause);
  }
  if (!locked) return Error{Code::kLocked, name + ".lock: another process holds it"};
  auto key = open_key_file(directory, name, KeyKind::kIndex);
  if (key.ok() || key.error().code != Code::kNotFound) return key;
  const Key fresh = generate_key(KeyKind::kIndex, "cursor", os::system_clock().now());
  KHIPU_TRY(create_key_file(directory, name, fresh));
  return open_key_file(directory, name, KeyKind::kIndex);
}

Result<Key> own_key() {
  const std::string folder = state_folder();
  if (folder.empty()) return Error{Code::kNotFound, "neither XDG_STATE_HOME nor HOME names a folder"};
  KHIPU_TRY_ASSIGN(const auto directory, make_folder(folder));
  const std::string name(kCursorKeyFileName);
  auto key = open_key_file(*directory, name, KeyKind::kIndex);
  return key.ok() || key.error().code != Code::kNotFound ? std::move(key) : make_key(*directory, name);
}

CursorKey from_key(const Result<Key>& key) {
  CursorKey out;
  if (key.ok()) {
    out.bytes = blake2b_keyed(key->bytes.bytes(), "khipu-cursor-key", {});
  } else {
    os::system_random().fill(out.bytes);
    out.unkept = key.error();
  }
  return out;
}

}  // namespace

Result<CursorKey> cursor_key(const std::string& file, const std::string& keys) {
  if (file.empty()) {
    if (const auto directory = os::open_directory(keys); directory.ok()) {
      const Result<Key> key = open_key_file(**directory, kCursorKeyFileName, KeyKind::kIndex);
      if (key.ok()) return from_key(key);
    }
    return from_key(own_key());
  }
  const size_t slash = file.rfind('/');
  const std::string folder = slash == std::string::npos ? "." : file.substr(0, slash + 1);
  const std::string name = file.substr(slash == std::string::npos ? 0 : slash + 1);
  const auto directory = os::open_directory(folder);
  if (!directory.ok()) return from_key(directory.error());
  auto key = open_key_file(**directory, name, KeyKind::kIndex);
  if (key.ok()) return from_key(key);
  if (key.error().code != Code::kNotFound) return key.error();
  return from_key(make_key(**directory, name));
}

}  // namespace khipu::crypto
