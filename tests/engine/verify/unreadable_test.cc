// What the system would not give is not evidence: verification beside a running writer and beside retention, and with
// files that cannot be opened or read. Not here: real damage alone (attack_test.cc, liar_test.cc).
#include "engine/os/lock_file.h"
#include "tests/engine/verify/liar.h"

namespace khipu::tests {
namespace {

using verify::Verdict;

// A root whose operations a test sees before they happen, and may refuse.
struct Watch {
  // "open logs/seg-0000000000.log", "folder logs", "list logs", "read HEAD"; an Error is what the operation gives.
  std::function<Result<void>(const std::string& operation)> sees;
};

class WatchedFile final : public os::File {
 public:
  WatchedFile(std::unique_ptr<os::File> file, std::string name, const Watch& watch)
      : file_(std::move(file)), name_(std::move(name)), watch_(watch) {}
  Result<size_t> read_at(uint64_t offset, std::span<uint8_t> into) const override {
    KHIPU_TRY(watch_.sees("read " + name_));
    return file_->read_at(offset, into);
  }
  Result<void> write_at(uint64_t offset, Bytes bytes) override { return file_->write_at(offset, bytes); }
  Result<void> sync_data() override { return file_->sync_data(); }
  Result<void> sync() override { return file_->sync(); }
  Result<void> truncate(uint64_t size) override { return file_->truncate(size); }
  Result<uint64_t> size() const override { return file_->size(); }
  Result<os::FileStatus> status() const override { return file_->status(); }
  Result<void> preallocate(uint64_t offset, uint64_t size) override { return file_->preallocate(offset, size); }
  Result<std::unique_ptr<os::Mapping>> map(uint64_t size) const override { return file_->map(size); }
  Result<bool> try_lock(uint64_t offset, uint64_t size, os::LockKind kind) override {
    return file_->try_lock(offset, size, kind);
  }
  Result<void> unlock(uint64_t offset, uint64_t size) override { return file_->unlock(offset, size); }
  Result<bool> lock_refused(uint64_t offset, uint64_t size, os::LockKind kind) const override {
    return file_->lock_refused(offset, size, kind);
  }

 private:
  std::unique_ptr<os::File> file_;
  std::string name_;
  const Watch& watch_;
};

class WatchedDirectory final : public os::Directory {
 public:
  WatchedDirectory(std::unique_ptr<os::Directory> directory, std::string name, const Watch& watch)
      : directory_(std::move(directory)), name_(std::move(name)), watch_(watch) {}
  Result<std::unique_ptr<os::File>> open_file(std::string_view name, os::Mode mode, unsigned permissions) override {
    KHIPU_TRY(watch_.sees("open " + path_of(name)));
    KHIPU_TRY_ASSIGN(std::unique_ptr<os::File> file, directory_->open_file(name, mode, permissions));
    return std::unique_ptr<os::File>(std::make_unique<WatchedFile>(std::move(file), path_of(name), watch_));
  }
  Result<std::unique_ptr<os::Directory>> open_directory(std::string_view name) override {
    KHIPU_TRY(watch_.sees("folder " + path_of(name)));
    KHIPU_TRY_ASSIGN(std::unique_ptr<os::Directory> opened, directory_->open_directory(name));
    return std::unique_ptr<os::Directory>(
        std::make_unique<WatchedDirectory>(std::move(opened), path_of(name) + "/", watch_));
  }
  Result<void> make_directory(std::string_view name, unsigned permissions) override {
    return directory_->make_directory(name, permissions);
  }
  Result<void> rename(std::string_view from, std::string_view to) override { return directory_->rename(from, to); }
  Result<void> unlink(std::string_view name) override { return directory_->unlink(name); }
  Result<std::vector<os::Entry>> list() override {
    KHIPU_TRY(watch_.sees("list " + name_));
    return directory_->list();
  }
  Result<std::optional<os::Entry>> stat(std::string_view name) override { return directory_->stat(name); }
  Result<void> sync() override { return directory_->sync(); }
  const std::string& path() const override { return directory_->path(); }

 private:
  std::string path_of(std::string_view name) const { return name_ + std::string(name); }
  std::unique_ptr<os::Directory> directory_;
  std::string name_;
  const Watch& watch_;
};

Result<verify::Report> verify_watched(FakeDisk& disk, const Watch& watch, verify::Options options = {}) {
  WatchedDirectory root(disk.directory("root"), "", watch);
  options.threads = 1;
  return verify::run(root, options);
}

// What a writer holds.
struct Held {
  explicit Held(FakeDisk& disk) : root(disk.directory("root")), lock(os::RootLock::acquire(*root, "serve", 1)) {
    REQUIRE(lock.ok());
  }
  std::unique_ptr<os::Directory> root;
  Result<os::RootLock> lock;
};

// The oldest two segments of logs/ let go; their files still there, or gone.
struct Retained : LiarLog {
  explicit Retained(bool gone) : LiarLog(30, kSegment) {
    before = rig.verify().state;
    sign_statements(rig, {retention_of(rig, TableId::kLogs, 0, 1)});
    if (gone) let_go();
  }
  void let_go() {
    for (const uint64_t number : {0, 1}) {
      if (rig.disk().exists(segment_file(TableId::kLogs, number))) {
        rig.disk().remove(segment_file(TableId::kLogs, number));
      }
    }
  }
  std::optional<verify::State> before;
};

TEST_CASE("verify beside a writer: what was published since HEAD was read is not looked for below it") {
  CrashRig rig;
  REQUIRE(rig.life(5).ok());
  CrashRig later(rig.disk().clone(), 7);
  later.remember(rig);
  REQUIRE(later.life(3).ok());
  for (const char* name : {"root/checkpoints.log", "root/checkpoint"}) {
    rig.disk().put(name, later.disk().read(name));
  }
  {
    const Held held(rig.disk());
    const verify::Report report = rig.verify();
    INFO(describe(report));
    CHECK(report.verdict == Verdict::kPass);
  }
  const verify::Report alone = rig.verify();
  INFO(describe(alone));
  CHECK(alone.verdict == Verdict::kFail);
  CHECK(alone.counts.contains("head-inconsistent"));
}

TEST_CASE("verify beside retention: a segment that goes by policy while the run is on its way is passed over") {
  for (const std::string mode : {"full", "since", "sample", "range"}) {
    Retained log(false);
    verify::Options options;
    options.seed = 1;
    if (mode == "since") {
      options.since = log.before;
      options.reread_blocks = 1000;
    }
    if (mode == "sample") options.sample = 1000;
    if (mode == "range") options.from_row = Row{0};
    const Held held(log.rig.disk());
    Watch watch;
    watch.sees = [&](const std::string& operation) -> Result<void> {
      if (operation == "open logs/seg-0000000000.log") log.let_go();
      return {};
    };
    const Result<verify::Report> report = verify_watched(log.rig.disk(), watch, options);
    REQUIRE(report.ok());
    INFO(mode << "\n" << describe(*report));
    CHECK_FALSE(log.rig.disk().exists(segment_file(TableId::kLogs, 0)));
    CHECK(report->verdict == (mode == "range" ? Verdict::kIncomplete : Verdict::kPass));
  }
}

TEST_CASE("verify: a HEAD with a huge segment number is one finding, and costs nothing") {
  for (const uint64_t number : {uint64_t{1} << 40, UINT64_MAX}) {
    LiarLog log(30, kSegment);
    segment::Head head = log.head();
    head.tables[index_of(TableId::kLogs)].segment = SegmentNumber{number};
    put_head(log.rig.disk(), head);
    const verify::Report report = log.rig.verify();
    INFO(describe(report));
    CHECK(report.verdict == Verdict::kFail);
    CHECK(report.counts.at("segment-missing") <= 2);
  }
}

TEST_CASE("verify: a HEAD with a huge first row of the active segment costs nothing") {
  for (const size_t events : {0, 30}) {
    LiarLog log(events);
    segment::Head head = log.head();
    for (segment::HeadTable& table : head.tables) table.segment_first_row = Row{UINT64_MAX};
    put_head(log.rig.disk(), head);
    const verify::Report report = log.rig.verify();
    INFO(describe(report));
    CHECK(report.verdict == Verdict::kFail);
  }
}

// Refuses operation n, or all that `all` says yes to.
struct Refusal {
  uint64_t n = 0, seen = 0;
  Code code = Code::kIo;
  std::function<bool(const std::string&)> all;
  std::string refused;
  Watch watch{[this](const std::string& operation) -> Result<void> {
    if (all ? !all(operation) : ++seen != n) return {};
    refused = operation;
    return Error{code, operation + ": Too many open files"};
  }};
};

TEST_CASE("verify: whatever cannot be opened or read once, nothing is found, and the verdict says it is incomplete") {
  Retained log(true);
  for (const bool since : {false, true}) {
    verify::Options options;
    options.seed = 1;
    if (since) options.since = log.before;
    for (uint64_t n = 1;; ++n) {
      Refusal refusal;
      refusal.n = n;
      refusal.code = n % 2 == 0 ? Code::kIo : Code::kForbidden;
      const Result<verify::Report> report = verify_watched(log.rig.disk(), refusal.watch, options);
      if (refusal.refused.empty()) break;
      if (!report.ok()) continue;
      INFO(n << ": " << refusal.refused << "\n" << describe(*report));
      CHECK(report->verdict != Verdict::kFail);
    }
  }
}

TEST_CASE("verify: what stays closed for good is not evidence, and damage elsewhere is") {
  const auto under = [](const std::string& path) {
    return [path](const std::string& operation) { return operation.find(" " + path) != std::string::npos; };
  };
  for (const std::string path :
       {"meta/manifest", "checkpoints.log", "registry", "registry/seg-", "registry/manifest", "access", "logs/manifest",
        "logs/seg-0000000002", "logs/tree", "quarantine", "meta/tree", "registry/tree"}) {
    for (const bool damaged : {false, true}) {
      Retained log(true);
      const std::string victim =
          path.starts_with("logs") ? "root/registry/seg-0000000000.log" : segment_file(TableId::kLogs, 3);
      if (damaged) log.rig.disk().flip_bit(victim, 200);
      Refusal refusal;
      refusal.all = under(path);
      const Result<verify::Report> report = verify_watched(log.rig.disk(), refusal.watch);
      REQUIRE(report.ok());
      INFO(path << (damaged ? " damaged" : "") << "\n" << describe(*report));
      REQUIRE(!refusal.refused.empty());
      CHECK(report->verdict == (damaged ? Verdict::kFail : Verdict::kIncomplete));
      CHECK_FALSE(report->not_checked.empty());
    }
  }
}

}  // namespace
}  // namespace khipu::tests
