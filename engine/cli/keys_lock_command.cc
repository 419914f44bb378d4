// `khipu keys lock|unlock`: a key file under a passphrase and back. The passphrase comes through a descriptor, never
// from the command line or the environment.
#include <nlohmann/json.hpp>

#include "engine/cli/commands.h"
#include "engine/cli/key_access.h"
#include "engine/cli/output.h"
#include "engine/cli/root.h"
#include "engine/crypto/key_lock.h"
#include "engine/os/process.h"

namespace khipu::cli {
namespace {

// The first line without its line feed, or all there is.
Result<crypto::SecretBytes> passphrase_from(const std::string& descriptor) {
  if (descriptor.empty()) return Error{Code::kInvalid, "--passphrase-fd N is wanted, as in --passphrase-fd 3 3<FILE"};
  KHIPU_TRY_ASSIGN(const crypto::SecretBytes text, protect::read_keys_from_descriptor(descriptor));
  const size_t line = as_text(text.bytes()).find('\n');
  return crypto::SecretBytes::copy_of(text.bytes().first(std::min(line, text.size())));
}
constexpr const char* kPassphraseHelp = "read the passphrase here: the first line, 12 to 1,024 bytes";

struct Place {
  std::unique_ptr<os::Directory> directory;
  std::string name;
};
Result<Place> place_of(const std::string& path) {
  const size_t slash = path.rfind('/');
  Place place;
  place.name = slash == std::string::npos ? path : path.substr(slash + 1);
  KHIPU_TRY_ASSIGN(place.directory, os::open_directory(slash == std::string::npos ? "."
                                                       : slash == 0               ? "/"
                                                                                  : path.substr(0, slash)));
  return place;
}

class KeysLock final : public Command {
 public:
  std::string name() const override { return "keys lock"; }
  std::string summary() const override { return "Write a copy of a key file under a passphrase"; }
  std::string details() const override {
    return "Argon2id (3 passes, 256 MiB) and XChaCha20-Poly1305. The plain file stays: delete it when the copy "
           "opens.\n\n"
           "Example:\n  khipu keys lock ./k/decrypt/decrypt-auditors-1.key auditors-1.locked --passphrase-fd 3 "
           "3<FILE\n\n"
           "Exit codes: 0 written, 3 not.";
  }
  void declare(Arguments& arguments) override {
    arguments.required("FILE", from_, "a key file of protected fields");
    arguments.required("OUT", to_, "the file to make; must not exist");
    arguments.text("--passphrase-fd", descriptor_, "N", kPassphraseHelp);
  }
  Result<Exit> run(Output& output) override {
    os::disable_core_dumps();
    KHIPU_TRY(refuse_inside_log(to_, "a locked key"));
    KHIPU_TRY_ASSIGN(const Place from, place_of(from_));
    const std::optional<crypto::KeyKind> kind = protect::kind_of_file(from.name);
    if (!kind || !crypto::is_secret(*kind)) return Error{Code::kInvalid, from_ + ": not the name of such a key file"};
    KHIPU_TRY_ASSIGN(const crypto::Key key, crypto::open_key_file(*from.directory, from.name, *kind));
    KHIPU_TRY_ASSIGN(const crypto::SecretBytes passphrase, passphrase_from(descriptor_));
    KHIPU_TRY_ASSIGN(const crypto::SecretBytes text, crypto::lock_key(key, passphrase.bytes()));
    KHIPU_TRY_ASSIGN(const Place to, place_of(to_));
    KHIPU_TRY_ASSIGN(const std::unique_ptr<os::File> file,
                     to.directory->open_file(to.name, os::Mode::kCreateNew, 0600));
    KHIPU_TRY(file->write_at(0, text.bytes()));
    KHIPU_TRY(file->sync());
    KHIPU_TRY(to.directory->sync());
    if (output.json()) {
      output.document({{"schema", "khipu.keys-lock/v1"}, {"file", to_}});
    } else {
      output.line("made " + printable(to_));
    }
    return Exit::kOk;
  }

 private:
  std::string from_, to_, descriptor_;
};

class KeysUnlock final : public Command {
 public:
  std::string name() const override { return "keys unlock"; }
  std::string summary() const override { return "Print a key that lies under a passphrase, for --key-fd"; }
  std::string details() const override {
    return "Prints the secret: into a pipe that --key-fd reads, not onto a terminal or a disk.\n\n"
           "Example:\n  khipu keys rewrap /srv/audit --list rewrap.list --to auditors/2=FINGERPRINT --key-fd 3 \\\n"
           "       3< <(khipu keys unlock auditors-1.locked --passphrase-fd 4 4<FILE)\n\n"
           "Exit codes: 0 printed, 3 not: another passphrase, a changed file.";
  }
  void declare(Arguments& arguments) override {
    arguments.required("FILE", from_, "what `khipu keys lock` made");
    arguments.text("--passphrase-fd", descriptor_, "N", kPassphraseHelp);
  }
  Result<Exit> run(Output& output) override {
    os::disable_core_dumps();
    KHIPU_TRY_ASSIGN(const std::string text, read_input_file(from_, crypto::kLockedKeySizeBytesMax));
    KHIPU_TRY_ASSIGN(const crypto::SecretBytes passphrase, passphrase_from(descriptor_));
    KHIPU_TRY_ASSIGN(const crypto::SecretBytes key, crypto::unlock_key(as_bytes(text), passphrase.bytes()));
    if (output.json()) return Error{Code::kInvalid, "a key is not printed as JSON"};
    output.print(as_text(key.bytes()));
    return Exit::kOk;
  }

 private:
  std::string from_, descriptor_;
};

}  // namespace

std::unique_ptr<Command> make_keys_lock() { return std::make_unique<KeysLock>(); }
std::unique_ptr<Command> make_keys_unlock() { return std::make_unique<KeysUnlock>(); }

}  // namespace khipu::cli
