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
           "writer's keys (or in --recipients). Whoever holds their keys will read everything, and a file in that "
           "folder is\n"
           "no proof of anything: so each must be named, --to auditors/2=FINGERPRINT, as `khipu keys check` shows it "
           "where\n"
           "its decrypt key is kept. Without --to nothing is done but to show them.\n"
           "Nothing counts before `khipu keys adopt` on the writer's host, since no process holds a decrypt key and "
           "the\n"
           "signing key. It takes the files named in LIST, by their SHA-256, and no others that lie in ROOT/keys: so "
           "LIST must\n"
           "reach that host by a way nobody else writes to. When ROOT is a copy, carry LIST and the files it names: "
           "adopt --from.\n"
           "Values in the log are not touched. The keys of sealed lines in ROOT/dlq are sealed anew where they stand, "
           "while no\n"
           "writer runs: on a copy this reaches the copy alone, and adopt carries none of them.\n\n"
           "Example:\n  khipu keys rewrap /srv/audit --decrypt /media/usb/audit-keys/decrypt --list "
           "/media/usb/rewrap.list "
           "\\\n"
           "      --to auditors/2=0d6c5d4e6f7a8b9c0d1e2f3a4b5c6d7e && khipu keys adopt /srv/audit "
           "/media/usb/rewrap.list\n\n"
           "Exit codes: 0 done, 1 done but for the files it names, which are gone or changed or open with none of the\n"
           "decrypt keys: whoever could read them still can. 3 not: recipients not named, or no key could be opened.";
  }
  void declare(Arguments& arguments) override {
    arguments.required("ROOT", root_, "the log's directory");
    arguments.text("--decrypt", decrypt_, "DIR", "folder of decrypt keys: those it is sealed to now");
    arguments.text("--key-fd", descriptor_, "N",
                   "instead of --decrypt: read the key files, one behind the other, here");
    arguments.text("--list", list_, "LIST", "file to write what was made to, for `khipu keys adopt`; wanted");
    arguments.texts("--to", to_, "NAME/VERSION=FINGERPRINT", "a recipient that is meant; again for each");
    arguments.text("--recipients", recipients_, "DIR", "folder of recipient-NAME-VERSION.pub; default: the writer's");
    arguments.text("--keys", keys_, "DIR", kKeysHelp);
  }
  Result<Exit> run(Output& output) override {
    os::disable_core_dumps();
    KHIPU_TRY_ASSIGN(const protect::DecryptRing ring, decrypt_ring(decrypt_, descriptor_));
    KHIPU_TRY_ASSIGN(const std::unique_ptr<os::Directory> to,
                     os::open_directory(recipients_.empty() ? keys_path(root_, keys_) : recipients_));
    KHIPU_TRY_ASSIGN(const std::vector<protect::Recipient> recipients, protect::load_recipients(*to));
    KHIPU_TRY(check_named(output, ring, recipients));
    KHIPU_TRY(check_list());
    KHIPU_TRY_ASSIGN(const KeysOfRoot keys, keys_of_root(root_));
    KHIPU_TRY_ASSIGN(protect::Rewrapped done, protect::rewrap(*keys.wrapped, keys.root, keys.log, ring, recipients));
    KHIPU_TRY_ASSIGN(const KeysOfRoot after, keys_of_root(root_));
    KHIPU_TRY(protect::drop_shredded(*after.wrapped, after.log, done.list));
    KHIPU_TRY(write_output_file(list_, protect::print_rewrap_list(done.list)));
    KHIPU_TRY_ASSIGN(const uint64_t parked, rewrap_parked(keys.root, ring, recipients));
    if (parked > 0 && !os::open_directory(keys_path(root_, keys_)).ok()) {
      output.note(
          "no writer's keys lie beside this log: if it is a copy, the keys of sealed lines in dlq/ were sealed anew in "
          "the copy alone, and adopt carries none of them. Open and clear dlq/ on the writer's host before the old "
          "decrypt key goes.");
    }
    std::vector<std::string> left;
    for (const Error& one : done.left) {
      left.push_back(one.message);
      output.note("not sealed anew: " + printable(one.message));
    }
    if (output.json()) {
      output.document({{"schema", "khipu.keys-rewrap/v1"},
                       {"recipients", texts(recipients)},
                       {"list", list_},
                       {"files", names(done.list)},
                       {"as_wanted", done.as_wanted},
                       {"left", left},
                       {"parked_keys", parked}});
    } else {
      if (parked > 0) output.line("keys of sealed lines in dlq/, sealed anew: " + std::to_string(parked));
      for (const std::string& recipient : texts(recipients)) output.line("sealed to " + printable(recipient));
      output.line("sealed anew: " + std::to_string(done.list.files.size()) +
                  ", as wanted already: " + std::to_string(done.as_wanted));
      if (!done.list.files.empty()) {
        output.line("now, on the writer's host: khipu keys adopt " + printable(root_) + " " + printable(list_));
      }
    }
    return left.empty() ? Exit::kOk : Exit::kFinding;
  }

 private:
  static std::vector<std::string> texts(const std::vector<protect::Recipient>& recipients) {
    std::vector<std::string> texts;
    for (const protect::Recipient& recipient : recipients) texts.push_back(protect::recipient_label(recipient));
    return texts;
  }
  static std::vector<std::string> names(const protect::RewrapList& list) {
    std::vector<std::string> names;
    for (const auto& [name, sha256] : list.files) names.push_back(name);
    return names;
  }

  // A key that lies in the writer's folder was put there by whoever may write there.
  Result<void> check_named(Output& output, const protect::DecryptRing& ring,
                           const std::vector<protect::Recipient>& recipients) const {
    std::vector<std::string> named;
    for (const std::string& list : to_) {
      for (size_t from = 0; from <= list.size();) {
        const size_t comma = std::min(list.find(',', from), list.size());
        named.push_back(list.substr(from, comma - from));
        from = comma + 1;
      }
    }
    const Result<void> checked = protect::check_recipients(recipients, named);
    if (checked.ok()) return {};
    output.note("would be sealed to these, and each holder of one of their keys reads everything:");
    std::string flags;
    for (const protect::Recipient& recipient : recipients) {
      KHIPU_TRY_ASSIGN(const bool held, holds(ring, recipient));
      output.note("  " + printable(protect::recipient_label(recipient)) +
                  (held ? "  (its decrypt key is among those given)" : "  (its decrypt key is NOT among those given)"));
      flags += " --to " + protect::recipient_label(recipient);
    }
    return Error{Code::kInvalid, checked.error().message +
                                     "; nothing was written. Compare each with what `khipu keys check` shows where its "
                                     "decrypt key is kept; if they are all meant:" +
                                     flags};
  }
  static Result<bool> holds(const protect::DecryptRing& ring, const protect::Recipient& recipient) {
    for (const crypto::Key& key : ring.keys) {
      KHIPU_TRY_ASSIGN(const crypto::BoxKeyPair pair, crypto::box_key_pair(key));
      if (pair.public_key() == recipient.key) return true;
    }
    return false;
  }

  // The list of an earlier run may be written over, nothing else.
  Result<void> check_list() const {
    if (list_.empty() || list_ == "-") {
      return Error{Code::kInvalid, "--list LIST is wanted: a file to name what was made in"};
    }
    KHIPU_TRY_ASSIGN(const bool inside, lies_inside(list_, root_));
    if (inside) return Error{Code::kInvalid, list_ + ": must not lie in the log it is about"};
    const Result<std::string> there = read_input_file(list_, protect::kRewrapListSizeBytesMax);
    if (!there.ok()) return there.error().code == Code::kNotFound ? Result<void>() : Result<void>(there.error());
    if (protect::parse_rewrap_list(*there).ok()) return {};
    return Error{Code::kConflict, list_ + ": is there already, and is no list of a re-wrap"};
  }

  // The lines themselves stay: their keys stand among them. Only while nobody can be setting lines aside.
  Result<uint64_t> rewrap_parked(const RootId& id, const protect::DecryptRing& ring,
                                 const std::vector<protect::Recipient>& recipients) const {
    KHIPU_TRY_ASSIGN(const std::unique_ptr<os::Directory> root, os::open_directory(root_));
    KHIPU_TRY_ASSIGN(const import::SealedLines sealed, import::sealed_lines(*root));
    if (sealed.keys + sealed.unfinished == 0) return uint64_t{0};
    Result<os::RootLock> lock = os::RootLock::acquire(*root, "keys rewrap", os::system_clock().now());
    if (!lock.ok()) {
      return std::move(lock).error().at(
          "keys/ is done; for the sealed lines of dlq/ stop the writer and run this again");
    }
    return import::replace_parked_keys(
        *root, [&](Bytes wrapped) { return protect::rewrap_parked(id, wrapped, ring, recipients); });
  }

  std::string root_, decrypt_, descriptor_, list_, recipients_, keys_;
  std::vector<std::string> to_;
};

class KeysAdopt final : public Command {
 public:
  std::string name() const override { return "keys adopt"; }
  std::string summary() const override { return "Commit what `khipu keys rewrap` wrote"; }
  std::string details() const override {
    return "A KEY statement for each file that LIST names, then the files they replace are deleted. LIST is what "
           "`khipu keys\n"
           "rewrap` wrote: have it from there by a way you trust, because whatever it names is taken, and what it "
           "does not\n"
           "name is not. Files made on a copy are brought with --from, never over another file. What was adopted "
           "before "
           "must be\n"
           "there still as it was listed. Stop `khipu serve` first: it holds the log.\n"
           "An interrupted run is finished by the next one with the same words.\n\n"
           "Examples:\n  khipu keys adopt /srv/audit /media/usb/rewrap.list\n"
           "  khipu keys adopt /srv/audit rewrap.list --from ./from-auditor\n\n"
           "Exit codes: 0 done, also when there was nothing left to do, 2 done, but a file named could not be "
           "deleted,\n"
           "3 not done.";
  }
  void declare(Arguments& arguments) override {
    arguments.required("ROOT", root_, "the log's directory");
    arguments.required("LIST", list_, "what `khipu keys rewrap` wrote with --list");
    arguments.text("--from", from_, "DIR", "copy the files that LIST names and ROOT/keys lacks from here");
    arguments.text("--keys", keys_, "DIR", kKeysHelp);
    arguments.text("--network-filesystem", network_, "KIND", kNetworkHelp);
  }
  Result<Exit> run(Output& output) override {
    os::disable_core_dumps();
    KHIPU_TRY_ASSIGN(const std::string text, read_input_file(list_, protect::kRewrapListSizeBytesMax));
    KHIPU_TRY_ASSIGN(const protect::RewrapList list, at(list_, protect::parse_rewrap_list(text)));
    KHIPU_TRY_ASSIGN(const KeysOfRoot seen, keys_of_root(root_));
    KHIPU_TRY_ASSIGN(const std::vector<os::Entry> before, seen.wrapped->list());
    KHIPU_TRY_ASSIGN(const std::unique_ptr<WriterAccess> access,
                     WriterAccess::open(root_, keys_path(root_, keys_), "keys adopt", network_));
    if (access->running()) return Error{Code::kLocked, "stop `khipu serve` first: it holds this log"};
    KHIPU_TRY_ASSIGN(KeysOfRoot keys, keys_of_root(root_));
    uint64_t copied = 0;
    if (!from_.empty() && list.root == keys.root) {
      KHIPU_TRY_ASSIGN(const std::unique_ptr<os::Directory> from, os::open_directory(from_));
      KHIPU_TRY_ASSIGN(copied, protect::bring(*from, *keys.wrapped, keys.log, list));
    }
    KHIPU_TRY_ASSIGN(const std::vector<codec::KeyStatement> statements,
                     protect::adoptable(*keys.wrapped, keys.root, keys.log, list));
    for (const codec::KeyStatement& statement : statements) {
      KHIPU_TRY(access->writer()->append_and_publish(statement));
      KHIPU_TRY(keys.log.apply(statement));
    }
    KHIPU_TRY_ASSIGN(const protect::Swept swept, protect::sweep(*keys.wrapped, keys.log));
    KHIPU_TRY(access->close());
    KHIPU_TRY_ASSIGN(const uint64_t gone, count_gone(*keys.wrapped, before));
    const uint64_t earlier = list.files.size() - statements.size();
    if (output.json()) {
      output.document({{"schema", "khipu.keys-adopt/v1"},
                       {"copied", copied},
                       {"adopted", statements.size()},
                       {"adopted_before", earlier},
                       {"deleted", gone}});
    } else {
      if (!from_.empty()) output.line("copied: " + std::to_string(copied));
      output.line("adopted: " + std::to_string(statements.size()) +
                  ", before this or overtaken: " + std::to_string(earlier) + ", deleted: " + std::to_string(gone));
    }
    return tell_left(output, swept.left);
  }

 private:
  std::string root_, list_, from_, keys_, network_;
};

}  // namespace

std::unique_ptr<Command> make_keys_rewrap() { return std::make_unique<KeysRewrap>(); }
std::unique_ptr<Command> make_keys_adopt() { return std::make_unique<KeysAdopt>(); }

}  // namespace khipu::cli
