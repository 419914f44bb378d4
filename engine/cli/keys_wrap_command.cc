// `khipu keys rewrap|adopt`: data keys sealed to other recipients. Two commands, because the one opens with a decrypt
// key and the other signs, and no process holds both.
#include <nlohmann/json.hpp>

#include "engine/cli/commands.h"
#include "engine/cli/key_access.h"
#include "engine/cli/output.h"
#include "engine/cli/root.h"
#include "engine/import/parked_files.h"
#include "engine/os/clock.h"
#include "engine/os/lock_file.h"
#include "engine/os/process.h"
#include "engine/protect/parked.h"

namespace khipu::cli {
namespace {

class KeysRewrap final : public Command {
 public:
  std::string name() const override { return "keys rewrap"; }
  std::string summary() const override { return "Seal a log's data keys to the present recipients"; }
  std::string details() const override {
    return "Opens each key in ROOT/keys with the decrypt keys and writes it anew, sealed to the recipients in the\n"
           "writer's keys (or in --recipients). Nothing counts before `khipu keys adopt` on the writer's host: no\n"
           "process holds a decrypt key and the signing key. Values in the log are not touched. The keys of sealed "
           "lines in\n"
           "ROOT/dlq are sealed anew where they stand, while no writer runs.\n\n"
           "Example:\n  khipu keys rewrap /srv/audit --decrypt /media/usb/audit-keys/decrypt && khipu keys adopt "
           "/srv/audit\n\n"
           "Exit codes: 0 done, 3 a key could not be opened: those before it are written, run it again.";
  }
  void declare(Arguments& arguments) override {
    arguments.required("ROOT", root_, "the log's directory");
    arguments.text("--decrypt", decrypt_, "DIR", "folder of decrypt keys: those it is sealed to now");
    arguments.text("--key-fd", descriptor_, "N",
                   "instead of --decrypt: read the key files, one behind the other, here");
    arguments.text("--recipients", recipients_, "DIR", "folder of recipient-NAME-VERSION.pub; default: the writer's");
    arguments.text("--keys", keys_, "DIR", kKeysHelp);
  }
  Result<Exit> run(Output& output) override {
    os::disable_core_dumps();
    KHIPU_TRY_ASSIGN(const protect::DecryptRing ring, decrypt_ring(decrypt_, descriptor_));
    KHIPU_TRY_ASSIGN(const std::unique_ptr<os::Directory> to,
                     os::open_directory(recipients_.empty() ? keys_path(root_, keys_) : recipients_));
    KHIPU_TRY_ASSIGN(const std::vector<protect::Recipient> recipients, protect::load_recipients(*to));
    KHIPU_TRY_ASSIGN(const KeysOfRoot keys, keys_of_root(root_));
    KHIPU_TRY_ASSIGN(const protect::Rewrapped done,
                     protect::rewrap(*keys.wrapped, keys.root, keys.log, ring, recipients));
    KHIPU_TRY_ASSIGN(const uint64_t parked, rewrap_parked(keys.root, ring, recipients));
    if (output.json()) {
      output.document({{"schema", "khipu.keys-rewrap/v1"},
                       {"files", done.files},
                       {"as_wanted", done.as_wanted},
                       {"parked_keys", parked}});
    } else {
      if (parked > 0) output.line("keys of sealed lines in dlq/, sealed anew: " + std::to_string(parked));
      output.line("sealed anew: " + std::to_string(done.files.size()) +
                  ", as wanted already: " + std::to_string(done.as_wanted));
      if (!done.files.empty()) output.line("now: khipu keys adopt " + printable(root_));
    }
    return Exit::kOk;
  }

 private:
  // The lines themselves stay: their keys stand among them. Only while nobody can be setting lines aside.
  Result<uint64_t> rewrap_parked(const RootId& id, const protect::DecryptRing& ring,
                                 const std::vector<protect::Recipient>& recipients) const {
    KHIPU_TRY_ASSIGN(const std::unique_ptr<os::Directory> root, os::open_directory(root_));
    KHIPU_TRY_ASSIGN(const import::SealedLines sealed, import::sealed_lines(*root));
    if (sealed.keys == 0) return uint64_t{0};
    Result<os::RootLock> lock = os::RootLock::acquire(*root, "keys rewrap", os::system_clock().now());
    if (!lock.ok()) {
      return std::move(lock).error().at(
          "keys/ is done; for the sealed lines of dlq/ stop the writer and run this again");
    }
    return import::replace_parked_keys(
        *root, [&](Bytes wrapped) { return protect::rewrap_parked(id, wrapped, ring, recipients); });
  }

  std::string root_, decrypt_, descriptor_, recipients_, keys_;
};

class KeysAdopt final : public Command {
 public:
  std::string name() const override { return "keys adopt"; }
  std::string summary() const override { return "Commit what `khipu keys rewrap` wrote"; }
  std::string details() const override {
    return "A KEY statement for each file, then the files they replace are deleted. Stop `khipu serve` first: it "
           "holds\n"
           "the log. An interrupted run is finished by the next one, or by the next start of the writer.\n\n"
           "Example:\n  khipu keys adopt /srv/audit\n\n"
           "Exit codes: 0 done, also when there was nothing to do, 3 not done.";
  }
  void declare(Arguments& arguments) override {
    arguments.required("ROOT", root_, "the log's directory");
    arguments.text("--keys", keys_, "DIR", kKeysHelp);
    arguments.text("--network-filesystem", network_, "KIND", kNetworkHelp);
  }
  Result<Exit> run(Output& output) override {
    os::disable_core_dumps();
    KHIPU_TRY_ASSIGN(KeysOfRoot keys, keys_of_root(root_));
    KHIPU_TRY_ASSIGN(const std::vector<codec::KeyStatement> statements,
                     protect::adoptable(*keys.wrapped, keys.root, keys.log));
    KHIPU_TRY_ASSIGN(const std::vector<os::Entry> before, keys.wrapped->list());
    if (!statements.empty()) {
      KHIPU_TRY_ASSIGN(const std::unique_ptr<WriterAccess> access,
                       WriterAccess::open(root_, keys_path(root_, keys_), "keys adopt", network_));
      if (access->running()) return Error{Code::kLocked, "stop `khipu serve` first: it holds this log"};
      for (const codec::KeyStatement& statement : statements) {
        KHIPU_TRY(access->writer()->append_and_publish(statement));
        KHIPU_TRY(keys.log.apply(statement));
      }
      KHIPU_TRY(access->close());
    }
    KHIPU_TRY(protect::sweep(*keys.wrapped, keys.log));
    KHIPU_TRY_ASSIGN(const uint64_t gone, count_gone(*keys.wrapped, before));
    if (output.json()) {
      output.document({{"schema", "khipu.keys-adopt/v1"}, {"adopted", statements.size()}, {"deleted", gone}});
    } else {
      output.line("adopted: " + std::to_string(statements.size()) + ", deleted: " + std::to_string(gone));
    }
    return Exit::kOk;
  }

 private:
  std::string root_, keys_, network_;
};

}  // namespace

std::unique_ptr<Command> make_keys_rewrap() { return std::make_unique<KeysRewrap>(); }
std::unique_ptr<Command> make_keys_adopt() { return std::make_unique<KeysAdopt>(); }

}  // namespace khipu::cli
