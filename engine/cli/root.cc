#include "engine/cli/root.h"

#include <algorithm>
#include <charconv>
#include <filesystem>

#include "engine/crypto/hash.h"
#include "engine/crypto/key_file.h"
#include "engine/os/keys_path.h"

namespace khipu::cli {
namespace {

namespace fs = std::filesystem;
using Key = std::array<uint8_t, 32>;

std::string_view trimmed(std::string_view text) {
  while (!text.empty() && (text.back() == '\n' || text.back() == '\r' || text.back() == ' ')) text.remove_suffix(1);
  while (!text.empty() && text.front() == ' ') text.remove_prefix(1);
  return text;
}

// C2SP vkey: name+hash+base64(0x01 | public key), where hash is the first 4 bytes of SHA-256(name | "\n" | 0x01 | key).
Result<Key> parse_vkey(std::string_view text) {
  const Error wrong{Code::kInvalid, "not a vkey: NAME+ID+BASE64, as `khipu init` prints it"};
  const size_t first = text.find('+');
  if (first == std::string_view::npos) return wrong;
  const size_t second = text.find('+', first + 1);
  if (second == std::string_view::npos) return wrong;
  const std::string_view name = text.substr(0, first);
  const std::optional<Buffer> key = from_base64(text.substr(second + 1));
  if (name.empty() || !key || key->size() != 33 || (*key)[0] != 0x01) return wrong;
  const std::string prefix = std::string(name) + "\n";
  const Hash id = crypto::sha256(as_bytes(prefix), *key);
  if (hex(Bytes(id).first(4)) != text.substr(first + 1, second - first - 1)) {
    return Error{Code::kInvalid, "the vkey's id does not fit its name and key: a slip in copying"};
  }
  Key out{};
  std::copy(key->begin() + 1, key->end(), out.begin());
  return out;
}

Result<Key> parse_key_text(std::string_view text) {
  text = trimmed(text);
  if (text.starts_with("khipu-key/")) {
    KHIPU_TRY_ASSIGN(const crypto::Key key, crypto::parse_key(as_bytes(std::string(text) + "\n")));
    KHIPU_TRY_ASSIGN(const crypto::PublicKey verifier, crypto::public_key(key));
    return verifier;
  }
  const std::optional<Buffer> bytes = from_hex(text);
  if (!bytes || bytes->size() != 32) return parse_vkey(text);
  Key out{};
  std::copy(bytes->begin(), bytes->end(), out.begin());
  return out;
}

// What has no '+' is no vkey: it was meant as a file.
template <typename T>
Result<T> no_such_file(const std::string& text, Result<T> parsed) {
  if (parsed.ok() || text.find('+') != std::string::npos) return parsed;
  return Error{Code::kInvalid, "there is no file '" + text + "', and it is no vkey (NAME+ID+BASE64) either"};
}

// The descriptor of this process that has such a name, itself or through links: /dev/stdout, /proc/self/fd/1. What it
// leads to is open already, a regular file too. nullopt: none.
std::optional<int> descriptor_of(fs::path path) {
  constexpr int kLinksMax = 8;
  std::error_code error;
  const fs::path ours = fs::canonical("/proc/self/fd", error);
  for (int i = 0; i < kLinksMax && !error; ++i) {
    const fs::path folder = fs::canonical(fs::absolute(path, error).parent_path(), error);
    if (error) break;
    path = folder / path.filename();
    const std::string name = path.filename().string();
    int number = 0;
    const auto [end, wrong] = std::from_chars(name.data(), name.data() + name.size(), number);
    if (folder == ours && wrong == std::errc() && end == name.data() + name.size()) return number;
    path = folder / fs::read_symlink(path, error);
  }
  return std::nullopt;
}

}  // namespace

bool is_way_out(const std::string& path) {
  std::error_code ignored;
  const fs::file_status there = fs::status(path, ignored);
  return fs::is_fifo(there) || fs::is_character_file(there) || descriptor_of(path);
}

std::string keys_path(const std::string& root, const std::string& given) {
  return given.empty() ? os::keys_beside(root) : given;
}

Result<void> refuse_network_filesystem(const std::string& path, const std::string& allowed) {
  KHIPU_TRY_ASSIGN(const std::optional<std::string> kind, os::network_filesystem(path));
  if (!kind || *kind == allowed) return {};
  return Error{Code::kForbidden, path + ": lies on a network file system (" + *kind +
                                     "), where locks and syncs hold no promise; --network-filesystem " + *kind +
                                     " takes the risk"};
}

Result<std::string> real_path(const std::string& path) {
  if (path.empty()) return Error{Code::kInvalid, "an empty name is no file and no folder"};
  std::error_code error;
  fs::path real = fs::absolute(path, error);
  if (!error) real = fs::weakly_canonical(real, error);
  if (error) return Error{Code::kInvalid, path + ": " + error.message()};
  return real.string();
}

Result<bool> lies_inside(const std::string& path, const std::string& folder) {
  if (is_way_out(path)) return false;
  KHIPU_TRY_ASSIGN(const fs::path inner, real_path(path));
  KHIPU_TRY_ASSIGN(fs::path outer, real_path(folder));
  if (!outer.has_filename()) outer = outer.parent_path();
  return std::mismatch(outer.begin(), outer.end(), inner.begin(), inner.end()).first == outer.end();
}

Result<void> refuse_inside_log(const std::string& path, const std::string& what, const std::string& root) {
  const auto refused = [&](const std::string& log) {
    return Error{Code::kInvalid, path + ": lies inside the log " + log + ", where verify counts everything: " + what +
                                     " must lie elsewhere"};
  };
  if (!root.empty()) {
    KHIPU_TRY_ASSIGN(const bool inside, lies_inside(path, root));
    if (inside) return refused(root);
  }
  std::error_code ignored;
  KHIPU_TRY_ASSIGN(fs::path folder, real_path(path));
  for (; folder.has_relative_path(); folder = folder.parent_path()) {
    const bool log = fs::is_regular_file(folder / "HEAD", ignored) && fs::is_directory(folder / "meta", ignored) &&
                     fs::is_directory(folder / "logs", ignored);
    if (log) return refused(folder.string());
  }
  return {};
}

Result<std::unique_ptr<os::File>> open_input_file(const std::string& path) {
  std::error_code error;
  const fs::path real = fs::canonical(path, error);
  if (error) return Error{Code::kNotFound, path + ": " + error.message()};
  KHIPU_TRY_ASSIGN(const std::unique_ptr<os::Directory> folder, os::open_directory(real.parent_path().string()));
  return folder->open_file(real.filename().string(), os::Mode::kRead);
}

bool is_stream(const std::string& path) {
  std::error_code ignored;
  return path == "-" || fs::is_fifo(path, ignored);
}

Result<std::unique_ptr<os::StandardInput>> open_stream(const std::string& path) {
  return path == "-" ? os::StandardInput::open() : os::StandardInput::open(path);
}

Result<std::string> read_input_file(const std::string& path, uint64_t size_bytes_max) {
  if (is_stream(path)) {
    KHIPU_TRY_ASSIGN(const std::unique_ptr<os::StandardInput> stream, open_stream(path));
    std::string text;
    Buffer piece(1 << 16);
    for (;;) {
      KHIPU_TRY_ASSIGN(const size_t size, stream->read(piece));
      if (size == 0) return text;
      text.append(as_text(Bytes(piece).first(size)));
      if (text.size() > size_bytes_max) {
        return Error{Code::kLimit, (path == "-" ? "standard input" : path) + ": larger than the limit"};
      }
    }
  }
  KHIPU_TRY_ASSIGN(const std::unique_ptr<os::File> file, open_input_file(path));
  KHIPU_TRY_ASSIGN(const Buffer content, file->read_all(size_bytes_max));
  return std::string(as_text(content));
}

Result<void> write_output_file(const std::string& path, std::string_view text) {
  if (const std::optional<int> descriptor = descriptor_of(path)) {
    std::error_code none;
    const fs::path opened = fs::read_symlink("/proc/self/fd/" + std::to_string(*descriptor), none);
    if (fs::is_regular_file(opened, none)) KHIPU_TRY(refuse_inside_log(opened.string(), "what is written"));
    return os::write_descriptor(*descriptor, path, as_bytes(text));
  }
  if (is_way_out(path)) return os::write_stream(path, as_bytes(text));
  std::error_code error;
  const fs::file_status there = fs::status(path, error);
  if (fs::exists(there) && !fs::is_regular_file(there)) return Error{Code::kInvalid, path + ": is no file"};
  KHIPU_TRY(refuse_inside_log(path, "what is written"));
  const fs::path file = fs::absolute(path, error);
  if (error) return Error{Code::kInvalid, path + ": " + error.message()};
  KHIPU_TRY_ASSIGN(const auto folder, os::open_directory(file.parent_path().string()));
  return folder->replace_file(file.filename().string(), as_bytes(text), 0600);
}

Result<Key> read_verifier_key(const std::string& text) {
  std::error_code ignored;
  if (!fs::exists(text, ignored)) return at("--key", no_such_file(text, parse_key_text(text)));
  KHIPU_TRY_ASSIGN(const std::string content, read_input_file(text, crypto::kKeyFileSizeBytesMax));
  return at(text, parse_key_text(content));
}

Result<tree::VerifierKey> read_vkey(const std::string& text) {
  std::error_code ignored;
  if (!fs::exists(text, ignored)) {
    return at("--key", no_such_file(text, tree::VerifierKey::parse(trimmed(text))));
  }
  KHIPU_TRY_ASSIGN(const std::string content, read_input_file(text, crypto::kKeyFileSizeBytesMax));
  if (!trimmed(content).starts_with("khipu-key/")) return at(text, tree::VerifierKey::parse(trimmed(content)));
  KHIPU_TRY_ASSIGN(const crypto::Key key, at(text, crypto::parse_key(as_bytes(content))));
  KHIPU_TRY_ASSIGN(const crypto::PublicKey verifier, at(text, crypto::public_key(key)));
  return tree::VerifierKey{key.name, tree::KeyType::kEd25519, verifier};
}

Result<void> need_log(os::Directory& directory, const std::string& root) {
  KHIPU_TRY_ASSIGN(const std::optional<os::Entry> head, directory.stat("HEAD"));
  if (!head) return Error{Code::kNotFound, root + ": holds no log; `khipu init " + root + "` makes one"};
  return {};
}

}  // namespace khipu::cli
