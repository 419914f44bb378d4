// `khipu import`: foreign formats into the log. The work is engine/import's; here are files, flags and the report.
#include <nlohmann/json.hpp>

#include "engine/base/time.h"
#include "engine/base/utf8.h"
#include "engine/cli/commands.h"
#include "engine/cli/entry_sealer.h"
#include "engine/cli/journal.h"
#include "engine/cli/output.h"
#include "engine/cli/root.h"
#include "engine/cli/spool.h"
#include "engine/cli/writer_access.h"
#include "engine/crypto/key_file.h"
#include "engine/crypto/wipe_freed.h"
#include "engine/daemon/limits_json.h"
#include "engine/import/protecting.h"
#include "engine/import/runner.h"
#include "engine/os/clock.h"
#include "engine/os/process.h"
#include "engine/os/service.h"
#include "engine/snapshot/store.h"

namespace khipu::cli {
namespace {

using Json = nlohmann::ordered_json;
constexpr uint64_t kMappingSizeMax = 1 << 20;
constexpr int kPollMs = 200;             // how soon a signal is seen while nothing comes
constexpr uint32_t kChunkEvents = 4000;  // one commit and one receipt for so many records: a file is not in a hurry

// Where a dry run sends its batches: nowhere.
class NoSink final : public import::Sink {
 public:
  Result<Row> submit(ingest::Batch) override { return Row{}; }
};

class ImportCommand final : public Command {
 public:
  std::string name() const override { return "import"; }
  std::string summary() const override { return "Import CloudTrail, Kubernetes audit, journald or mapped files"; }
  std::string details() const override {
    return "Every record's bytes stay verbatim in `content`; records that cannot be mapped are parked in ROOT/dlq "
           "with\n"
           "file, line and reason, and counted. A receipt with counts and the input's SHA-256 goes into the log.\n"
           "The same bytes again add nothing; a file that has grown continues where it stopped, a gzip file too if "
           "members\n"
           "were added to it, and so does what was plain and is packed now. What was packed anew, or was packed and "
           "is\n"
           "plain now, is stored again. --journal goes on behind the entry that the last such import ended with, "
           "whatever\n"
           "journald has dropped since.\n"
           "With --protect the named fields are kept protected, and so is the verbatim content of every record: "
           "parked\n"
           "ones are sealed for the same recipients (khipu dlq reads them), and a dry run shows no samples. Receipts\n"
           "then hold a keyed hash instead, which only who may read the writer's keys can compare.\n"
           "Goes through a running `khipu serve`, else takes the lock itself.\n\n"
           "Formats: cloudtrail (trail files, LookupEvents, JSON lines, arrays), kubernetes, journald, jsonl (any "
           "JSON\n"
           "or text lines, described by --mapping). Files may be gzip. \"-\" is standard input, and a\n"
           "pipe by its name, as of <(...), is read like it. What comes through a pipe or from the journal is kept for "
           "the\n"
           "time of the import in a file without a name in TMPDIR (default /tmp), and where something is protected in\n"
           "memory alone, at most 1 GiB (swap is this machine's: encrypt it).\n\n"
           "Examples:\n  khipu import /srv/audit --format cloudtrail trail/*.json.gz\n"
           "  khipu import /srv/audit --format jsonl --mapping examples/dpkg-log.mapping.json /var/log/dpkg.log\n"
           "  khipu import /srv/audit --journal\n"
           "  khipu import /srv/audit --format kubernetes audit.log --dry-run\n\n"
           "Exit codes: 0 all stored, 1 stored but for parked records or an input that is not whole (a warning says "
           "how),\n"
           "2 interrupted (SIGINT, SIGTERM, SIGHUP): what is stored stays, with its receipt, and the same command goes "
           "on\nbehind it, 3 could not import.";
  }
  void declare(Arguments& arguments) override {
    arguments.required("ROOT", root_, "the log's directory");
    arguments.rest("FILE", files_, "what to import; \"-\" is standard input", 0);
    arguments.choice("--format", format_, {"cloudtrail", "kubernetes", "journald", "jsonl"}, "what the files hold");
    arguments.text("--mapping", mapping_, "FILE", "mapping of --format jsonl; default none");
    arguments.texts("--protect", protect_, "WHERE=RULE",
                    "keep a field protected, such as actor.email=sealed,exact; WHERE is TYPE.FIELD, actor.FIELD, "
                    "target.FIELD or custom.COLUMN; several. Needs the writer's keys (khipu keys init)");
    arguments.flag("--journal", journal_, "import this machine's journal (journalctl -o json --all) instead of files");
    arguments.flag("--whole", whole_,
                   "with --journal: all of it, also what was stored before, not what came behind the last import of it "
                   "alone");
    arguments.flag(
        "--final", final_,
        "the files grow no more: take a last line, row or entry that has no end (of standard input and gzip it is "
        "taken always); default: it is left for the next import");
    arguments.flag("--again", again_, "store also what was imported before under another mapping; default: refuse");
    arguments.flag("--dry-run", dry_run_, "add nothing: show fill rates, ten mapped samples and the rejects");
    arguments.text("--keys", keys_, "DIR", kKeysHelp);
    arguments.text("--network-filesystem", network_, "KIND", kNetworkHelp);
  }

  Result<Exit> run(Output& output) override {
    KHIPU_TRY(check_arguments());
    std::string mapping_text;
    if (!mapping_.empty()) {
      KHIPU_TRY_ASSIGN(mapping_text, read_input_file(mapping_, kMappingSizeMax));
    }
    signals_.emplace(os::Signals::Ignored::kLeave);  // before any thread
    std::unique_ptr<WriterAccess> writer;
    if (!dry_run_) {
      KHIPU_TRY_ASSIGN(writer, WriterAccess::open(root_, keys_path(root_, keys_), "import", network_));
      writer->tell = [&output](const std::string& what) { output.note(what); };
    }
    KHIPU_TRY_ASSIGN(std::unique_ptr<os::Directory> directory, os::open_directory(root_));
    KHIPU_TRY_ASSIGN(const std::unique_ptr<snapshot::Store> store, snapshot::Store::open(std::move(directory)));
    if (writer) {
      limits_ = writer->limits();
    } else if (const Result<RunningWriter> running = running_writer(root_); running.ok()) {
      KHIPU_TRY_ASSIGN(limits_, daemon::parse_limits(running->status));  // a trial is held to what an import would be
    }
    Exit exit = Exit::kOk;
    for (const std::string& file : files_) {
      auto done = import_one(file, mapping_text, writer.get(), *store);
      if (!done.ok() && done.error().message.starts_with(file + ": ")) return done.error();  // says which file already
      KHIPU_TRY_ASSIGN(const import::Report report, at(source_name(file), std::move(done)));
      if (output.json()) {
        print_json(report, output);
      } else {
        print_text(report, output);
      }
      if ((report.parked > 0 || !report.warnings.empty()) && exit == Exit::kOk) exit = Exit::kFinding;
      if (report.cancelled) {
        exit = Exit::kIncomplete;
        break;
      }
    }
    if (writer) KHIPU_TRY(writer->close());
    return exit;
  }

 private:
  Result<void> check_arguments() {
    if (journal_ && (!files_.empty() || (!format_.empty() && format_ != "journald"))) {
      return Error{Code::kInvalid, "--journal stands for the files and the format"};
    }
    if (whole_ && !journal_) return Error{Code::kInvalid, "--whole goes with --journal only"};
    if (journal_) {
      format_ = "journald";
      files_ = {"journal"};
    }
    if (files_.empty()) return Error{Code::kInvalid, "no FILE to import (or --journal)"};
    if (format_.empty()) {
      return Error{Code::kInvalid, "--format is wanted: cloudtrail, kubernetes, journald or jsonl"};
    }
    if ((format_ == "jsonl") != !mapping_.empty()) {
      return Error{Code::kInvalid, format_ == "jsonl" ? "--format jsonl wants a --mapping file"
                                                      : "--mapping goes with --format jsonl only"};
    }
    return {};
  }

  // Receipts of protected inputs are keyed. A user who may not look into the writer's keys holds none: then an input
  // that might have been imported is refused by the importer.
  Result<crypto::SecretBytes> receipt_key() const {
    const Result<std::unique_ptr<os::Directory>> keys = os::open_directory(keys_path(root_, keys_));
    if (!keys.ok()) return crypto::SecretBytes();
    auto key = crypto::open_key_file(**keys, crypto::kIndexKeyFileName, crypto::KeyKind::kIndex);
    if (key.ok()) return std::move(key->bytes);
    if (key.error().code == Code::kNotFound || key.error().code == Code::kForbidden) return crypto::SecretBytes();
    return std::move(key).error();
  }

  // For the journal or a stream, for the time of the import. In memory alone where it holds what is to be protected.
  static Result<Spool> make_spool(bool protects) {
    if (protects) {
      os::disable_core_dumps();
      crypto::wipe_freed_memory();
    }
    return Spool::make(protects ? Spool::Place::kMemory : Spool::Place::kDisk);
  }

  Result<void> read_stream(const std::string& file, Spool& into) {
    KHIPU_TRY_ASSIGN(const std::unique_ptr<os::StandardInput> stream, open_stream(file));
    Buffer piece(256 << 10);
    while (!told_to_end()) {
      KHIPU_TRY_ASSIGN(const std::optional<size_t> got, stream->read(piece, kPollMs));
      if (!got) continue;
      if (*got == 0) return {};
      KHIPU_TRY(into.append(as_text(Bytes(piece).first(*got))));
    }
    return Error{Code::kCancelled, "interrupted"};
  }

  Result<void> take_journal(const std::string& cursor, Spool& into, std::string& source) {
    KHIPU_TRY_ASSIGN(source, read_journal(cursor, into, [this] { return told_to_end(); }));
    return {};
  }

  bool told_to_end() {
    told_to_end_ = told_to_end_ || signals_->wait(0);
    return told_to_end_;
  }

  static std::vector<codec::Import> receipts_of(const snapshot::Snapshot& snapshot) {
    std::vector<codec::Import> receipts;
    for (const codec::StatementRecord& statement : snapshot.statements()) {
      if (const auto* receipt = std::get_if<codec::Import>(&statement.body)) receipts.push_back(*receipt);
    }
    return receipts;
  }

  // A file's name as records can hold it: one that is no UTF-8 with its bytes escaped.
  // None is taken for the journal's.
  static std::string source_name(const std::string& file) {
    const std::string name = valid_utf8(as_bytes(file)) ? file : printable(file);
    return is_journal_name(name) ? "./" + name : name;
  }

  // Once more from the beginning whenever another import of the journal ended since its cursor was read.
  Result<import::Report> import_one(const std::string& file, const std::string& mapping_text, WriterAccess* writer,
                                    snapshot::Store& store) {
    std::optional<import::Report> all;
    do {
      KHIPU_TRY_ASSIGN(import::Report report, try_one(file, mapping_text, writer, store));
      if (all) {
        import::add(*all, std::move(report));
      } else {
        all = std::move(report);
      }
    } while (all->overtaken);
    return *std::move(all);
  }

  Result<import::Report> nothing_of(const std::string& file) const {
    import::Report report;
    report.source = report.earlier = file;
    report.format = format_;
    report.nothing_new = true;
    return report;
  }

  Result<import::Report> try_one(const std::string& file, const std::string& mapping_text, WriterAccess* writer,
                                 snapshot::Store& store) {
    KHIPU_TRY_ASSIGN(std::unique_ptr<import::Mapper> mapper, import::make_mapper(format_, mapping_text));
    if (!protect_.empty()) {
      KHIPU_TRY_ASSIGN(mapper, import::make_protecting_mapper(std::move(mapper), protect_));
    }
    KHIPU_TRY_ASSIGN(std::shared_ptr<const snapshot::Snapshot> snapshot, store.snapshot());
    std::vector<codec::Import> earlier = receipts_of(*snapshot);
    import::RunOptions options;
    options.source = source_name(file);
    std::optional<Spool> spooled;
    std::unique_ptr<os::File> opened;
    const bool goes_on = journal_ && !whole_;
    const std::string cursor = goes_on ? journal_cursor(earlier) : std::string();
    if (journal_ || is_stream(file)) {
      KHIPU_TRY_ASSIGN(spooled, make_spool(import::protects(*mapper, snapshot->schema())));
      const Result<void> kept = journal_ ? take_journal(cursor, *spooled, options.source) : read_stream(file, *spooled);
      if (!kept.ok() && !told_to_end()) return kept.error();
      KHIPU_TRY_ASSIGN(const uint64_t size, spooled->file().size());
      if (!kept.ok() || (size == 0 && !cursor.empty())) {
        Result<import::Report> nothing = nothing_of(file);
        nothing->cancelled = !kept.ok();
        nothing->nothing_new = kept.ok();
        return nothing;
      }
      // Reading may have taken hours: what is protected, and what others have imported, is as it stands behind that.
      KHIPU_TRY_ASSIGN(snapshot, store.snapshot());
      earlier = receipts_of(*snapshot);
      if (goes_on && journal_cursor(earlier) != cursor) {
        Result<import::Report> nothing = nothing_of(file);
        nothing->overtaken = true;
        return nothing;
      }
    } else {
      KHIPU_TRY_ASSIGN(opened, open_input_file(file));
    }
    KHIPU_TRY_ASSIGN(const crypto::SecretBytes key, receipt_key());
    NoSink nowhere;
    RecipientSealer sealer(root_, keys_path(root_, keys_));
    import::DlqFile parking(store.root(), &sealer);
    Progress bar("importing " + printable(file));
    options.chunk_events = kChunkEvents;
    options.may_grow = !final_ && !spooled;
    options.dry_run = dry_run_;
    options.again = again_;
    options.limits = limits_;
    if (writer != nullptr) {
      // Of records; what is sent holds what was read out of them as well.
      options.chunk_size_bytes =
          std::min(options.chunk_size_bytes, std::max<uint64_t>(1, writer->batch_size_bytes_max() / 4));
      writer->interrupted = [this] { return told_to_end(); };
    }
    options.progress = [&](const import::Progress& progress) {
      bar.update(progress.bytes_total == 0 ? progress.read : progress.bytes, progress.bytes_total);
    };
    options.cancelled = [this] { return told_to_end(); };
    import::Sink& sink = writer != nullptr ? static_cast<import::Sink&>(*writer) : nowhere;
    import::Importer importer{*mapper, sink, parking, snapshot->schema(), earlier, os::system_clock(), key.bytes()};
    if (writer != nullptr) {
      importer.schema_again = [&]() -> Result<registry::Schema> {
        KHIPU_TRY_ASSIGN(const std::shared_ptr<const snapshot::Snapshot> fresh, store.snapshot());
        return fresh->schema();
      };
      importer.receipts = [&]() -> Result<std::vector<codec::Import>> {
        KHIPU_TRY(writer->publish());  // what a receipt that was in the way belongs to is visible behind this
        KHIPU_TRY_ASSIGN(const std::shared_ptr<const snapshot::Snapshot> fresh, store.snapshot());
        std::vector<codec::Import> receipts = receipts_of(*fresh);
        if (goes_on && journal_cursor(receipts) != cursor) {
          return Error{Code::kCancelled, "another import of the journal ended meanwhile"};
        }
        return receipts;
      };
    }
    KHIPU_TRY_ASSIGN(import::Report report, importer.run(spooled ? spooled->file() : *opened, options));
    if (journal_) report.source = report.earlier = file;  // without the cursor
    return report;
  }

  void print_json(const import::Report& report, Output& output) const {
    const auto time = [](const std::optional<TimeUs>& at) { return at ? Json(format_rfc3339(*at)) : Json(); };
    Json fills = Json::object();
    for (const import::Fill& fill : report.fills) fills[fill.member] = fill.count;
    Json rejects = Json::array();
    for (const import::Reject& one : report.rejects) {
      rejects.push_back({{"line", one.line}, {"offset", one.offset}, {"reason", one.reason}});
    }
    Json samples = Json::array();
    for (const std::string& one : report.samples) samples.push_back(Json::parse(one, nullptr, false));
    output.document({{"schema", "khipu.import/v1"},
                     {"file", report.source},
                     {"format", report.format},
                     {"dry_run", dry_run_},
                     {"read", report.read},
                     {"stored", report.stored},
                     {"parked", report.parked},
                     {"skipped", report.skipped},
                     {"stored_meanwhile", report.stored_meanwhile},
                     {"nothing_new", report.nothing_new},
                     {"resumed_at", report.resumed_at},
                     {"first_seq", report.first_seq ? Json(report.first_seq->value) : Json()},
                     {"first", time(report.first)},
                     {"last", time(report.last)},
                     {"out_of_order", report.out_of_order},
                     {"duplicate_ids", report.duplicate_ids},
                     {"sha256", hex(report.sha256)},
                     {"fills", std::move(fills)},
                     {"samples", std::move(samples)},
                     {"rejects", std::move(rejects)},
                     {"warnings", report.warnings},
                     {"cancelled", report.cancelled}});
  }

  void print_text(const import::Report& report, Output& output) const {
    const std::string file = printable(report.source);
    if (report.nothing_new && dry_run_) {
      output.line(file + ": imported before" +
                  (report.earlier == report.source ? "" : " as " + printable(report.earlier)) +
                  ": an import would add nothing; what follows is of all its records");
    } else if (report.nothing_new) {
      output.line(file + ": imported before" +
                  (report.earlier == report.source ? "" : " as " + printable(report.earlier)) + ", nothing new");
      return;
    }
    const bool known = report.nothing_new || (dry_run_ && (report.skipped > 0 || report.resumed_at > 0));
    output.line(file + ": " +
                (!dry_run_ ? "stored "
                 : known   ? "maps "
                           : "would store ") +
                std::to_string(report.stored) + " of " + std::to_string(report.read) + " records, parked " +
                std::to_string(report.parked) + (report.parked > 0 && !dry_run_ ? " in dlq/" : ""));
    if (dry_run_ && known && !report.nothing_new) {
      output.line("  an import would go on behind what was stored of it before");
    } else if (!dry_run_ && (report.skipped > 0 || report.resumed_at > 0)) {
      output.line("  continued after " + std::to_string(report.skipped) + " records of an earlier import");
    }
    if (report.stored_meanwhile > 0) {
      output.line("  another run of the same import stored " + std::to_string(report.stored_meanwhile) +
                  " records of it meanwhile");
    }
    if (report.first) {
      output.line("  from " + format_rfc3339(*report.first) + " to " + format_rfc3339(*report.last) + ", " +
                  std::to_string(report.out_of_order) + " out of order, " + std::to_string(report.duplicate_ids) +
                  " repeated ids (kept)");
    }
    if (report.cancelled) output.line("  interrupted: what is stored stays; the same command goes on behind it");
    for (const std::string& warning : report.warnings) output.line("  warning: " + printable(warning));
    for (const import::Reject& one : report.rejects) {
      output.line("  line " + std::to_string(one.line) + ": " + printable(one.reason));
    }
    if (dry_run_) {
      for (const import::Fill& fill : report.fills) {
        output.line("  " + printable(fill.member) + ": in " + std::to_string(fill.count) + " of " +
                    std::to_string(report.stored));
      }
      for (const std::string& sample : report.samples) output.line("  " + printable(sample));
    }
  }

  std::string root_, format_, mapping_, keys_, network_;
  std::vector<std::string> files_, protect_;
  bool journal_ = false, whole_ = false, final_ = false, again_ = false, dry_run_ = false;
  ingest::Limits limits_;
  std::optional<os::Signals> signals_;
  bool told_to_end_ = false;
};

}  // namespace

std::unique_ptr<Command> make_import_command() { return std::make_unique<ImportCommand>(); }

}  // namespace khipu::cli
