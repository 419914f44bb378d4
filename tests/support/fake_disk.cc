#include "tests/support/fake_disk.h"

#include <algorithm>
#include <unordered_map>
#include <unordered_set>

#include "engine/base/assert.h"
#include "tests/support/fake_disk_state.h"

namespace khipu::tests {
namespace {

using Inode = std::shared_ptr<FakeInode>;

std::pair<std::string, std::string> split(const std::string& path) {
  const size_t slash = path.rfind('/');
  if (slash == std::string::npos) return {"", path};
  return {path.substr(0, slash), path.substr(slash + 1)};
}

Inode find(const FakeDiskState& state, const std::string& path) {
  Inode inode = state.root;
  for (size_t at = 0; inode && at < path.size();) {
    const size_t end = std::min(path.find('/', at), path.size());
    const Names& names = inode->names.cache();
    const auto found = names.find(path.substr(at, end - at));
    inode = found == names.end() ? nullptr : found->second;
    at = end + 1;
  }
  return inode;
}

Inode must_find(const FakeDiskState& state, const std::string& path) {
  Inode inode = find(state, path);
  KHIPU_ASSERT(inode != nullptr);
  return inode;
}

// Sets or removes one name, in the cache and on the disk. Other undecided names of that directory become decided, too.
void set_name(const FakeDiskState& state, const std::string& path, const Inode& inode) {
  const auto [folder, name] = split(path);
  const Inode directory = must_find(state, folder);
  Names names = directory->names.cache();
  if (inode) {
    names[name] = inode;
  } else {
    names.erase(name);
  }
  directory->names.settle(std::move(names));
}

template <typename Visit>
void walk(const Inode& inode, const std::string& path, const Visit& visit) {
  for (const auto& [name, child] : inode->names.cache()) {
    const std::string where = path.empty() ? name : path + "/" + name;
    visit(where, child);
    walk(child, where, visit);
  }
}

void lose_power(const Inode& inode, Chooser& chooser, std::unordered_set<const FakeInode*>& done) {
  if (!done.insert(inode.get()).second) return;
  inode->content.lose_power(chooser);
  inode->names.lose_power(chooser);
  for (const auto& [name, child] : inode->names.cache()) lose_power(child, chooser, done);
}

// Copies whatever hangs below an inode, names that are gone or not yet durable included.
class Copier {
 public:
  Inode copy(const Inode& from) {
    if (const auto known = copies_.find(from.get()); known != copies_.end()) return known->second;
    Inode to = std::make_shared<FakeInode>();
    copies_[from.get()] = to;
    to->kind = from->kind;
    to->status = from->status;
    to->content = from->content;
    std::vector<NameChange> changes = from->names.changes();
    for (NameChange& change : changes) change.inode = copy(change.inode);
    to->names.restore(copy(from->names.cache()), copy(from->names.durable()), std::move(changes));
    return to;
  }

 private:
  Names copy(const Names& from) {
    Names to;
    for (const auto& [name, inode] : from) to[name] = copy(inode);
    return to;
  }
  std::unordered_map<const FakeInode*, Inode> copies_;
};

void end_process(FakeDiskState& state) {
  ++state.generation;
  state.dead = false;
  state.faults.clear();
  walk(state.root, "", [](const std::string&, const Inode& inode) { inode->locks.clear(); });
}

}  // namespace

std::string_view name_of(DiskOperation operation) {
  switch (operation) {
    case DiskOperation::kCreate: return "create";
    case DiskOperation::kWrite: return "write";
    case DiskOperation::kTruncate: return "truncate";
    case DiskOperation::kPreallocate: return "preallocate";
    case DiskOperation::kSyncData: return "sync_data";
    case DiskOperation::kSync: return "sync";
    case DiskOperation::kRename: return "rename";
    case DiskOperation::kUnlink: return "unlink";
    case DiskOperation::kMakeDirectory: return "make_directory";
    case DiskOperation::kSyncDirectory: return "sync_directory";
  }
  return "unknown";
}

std::string DiskEvent::text() const {
  std::string text(name_of(operation));
  text += " " + path;
  if (!to.empty()) text += " " + to;
  if (operation == DiskOperation::kWrite || operation == DiskOperation::kPreallocate) {
    text += " " + std::to_string(offset) + "+" + std::to_string(size);
  }
  if (operation == DiskOperation::kTruncate) text += " " + std::to_string(size);
  if (failed) text += " (failed)";
  return text;
}

std::shared_ptr<FakeInode> FakeDiskState::new_directory() {
  auto inode = std::make_shared<FakeInode>();
  inode->kind = os::EntryKind::kDirectory;
  return inode;
}

Result<void> FakeDiskState::alive(uint64_t handle_generation, const std::string& path) const {
  if (!dead && handle_generation == generation) return {};
  return Error{Code::kIo, path + ": fake disk: the process has died"};
}

FakeDiskState::Verdict FakeDiskState::begin(DiskEvent event) {
  ++operations;
  Verdict verdict;
  for (auto fault = faults.begin(); fault != faults.end(); ++fault) {
    const bool hit = fault->matches     ? fault->matches(event)
                     : fault->and_later ? operations >= fault->at
                                        : operations == fault->at;
    if (!hit) continue;
    if (fault->dies) dead = true;  // this operation was let in and is finished; the next one finds the process dead
    if (fault->code) {
      event.failed = true;
      verdict.error = Error{*fault->code,
                            event.path + ": fake disk: " + std::string(name_of(event.operation)) + " was made to fail"};
      verdict.part = fault->part;
    }
    if (fault->matches) faults.erase(fault);
    break;
  }
  log.push_back(std::move(event));
  return verdict;
}

FakeDisk::FakeDisk() : state_(std::make_shared<FakeDiskState>()) {}

FakeDisk::~FakeDisk() {
  const std::lock_guard guard(state_->mutex);
  ++state_->generation;
}

std::unique_ptr<os::Directory> FakeDisk::directory(const std::string& name) {
  const std::lock_guard guard(state_->mutex);
  Inode inode = find(*state_, name);
  if (!inode) {
    inode = FakeDiskState::new_directory();
    set_name(*state_, name, inode);
  }
  return make_fake_directory(state_, inode, name);
}

void FakeDisk::slow_syncs(std::chrono::microseconds each) {
  const std::lock_guard guard(state_->mutex);
  state_->sync_time = each;
}

std::unique_ptr<FakeDisk> FakeDisk::clone() const {
  auto copy = std::make_unique<FakeDisk>();
  const std::lock_guard guard(state_->mutex);
  copy->state_->root = Copier().copy(state_->root);
  return copy;
}

void FakeDisk::crash_process() {
  const std::lock_guard guard(state_->mutex);
  end_process(*state_);
}

void FakeDisk::power_loss(Chooser& chooser) {
  const std::lock_guard guard(state_->mutex);
  end_process(*state_);
  std::unordered_set<const FakeInode*> done;
  lose_power(state_->root, chooser, done);
}

void FakeDisk::power_loss(uint64_t seed) {
  SeededChooser chooser(seed);
  power_loss(chooser);
}

void FakeDisk::fail_nth(uint64_t n, Code code, Part part) {
  const std::lock_guard guard(state_->mutex);
  state_->faults.push_back({state_->operations + n, nullptr, false, code, false, part});
}

void FakeDisk::fail_from_nth(uint64_t n, Code code) {
  const std::lock_guard guard(state_->mutex);
  state_->faults.push_back({state_->operations + n, nullptr, true, code, false, Part::kNothing});
}

void FakeDisk::crash_after_nth(uint64_t n) {
  const std::lock_guard guard(state_->mutex);
  if (n == 0) state_->dead = true;
  state_->faults.push_back({state_->operations + n, nullptr, false, std::nullopt, true, Part::kNothing});
}

void FakeDisk::crash_in_nth(uint64_t n) {
  const std::lock_guard guard(state_->mutex);
  state_->faults.push_back({state_->operations + n, nullptr, false, Code::kIo, true, Part::kHalf});
}

void FakeDisk::fail_when(std::function<bool(const DiskEvent&)> matches, Code code, Part part) {
  const std::lock_guard guard(state_->mutex);
  state_->faults.push_back({0, std::move(matches), false, code, false, part});
}

void FakeDisk::clear_faults() {
  const std::lock_guard guard(state_->mutex);
  state_->faults.clear();
}

bool FakeDisk::crashed() const {
  const std::lock_guard guard(state_->mutex);
  return state_->dead;
}

std::vector<DiskEvent> FakeDisk::log() const {
  const std::lock_guard guard(state_->mutex);
  return state_->log;
}

std::vector<std::string> FakeDisk::log_text() const {
  std::vector<std::string> lines;
  for (const DiskEvent& event : log()) lines.push_back(event.text());
  return lines;
}

uint64_t FakeDisk::operations() const {
  const std::lock_guard guard(state_->mutex);
  return state_->operations;
}

void FakeDisk::clear_log() {
  const std::lock_guard guard(state_->mutex);
  state_->log.clear();
}

bool FakeDisk::exists(const std::string& path) const {
  const std::lock_guard guard(state_->mutex);
  return find(*state_, path) != nullptr;
}

Buffer FakeDisk::read(const std::string& path) const {
  const std::lock_guard guard(state_->mutex);
  return must_find(*state_, path)->content.cache();
}

void FakeDisk::put(const std::string& path, Bytes content, unsigned permissions) {
  const std::lock_guard guard(state_->mutex);
  Inode inode = find(*state_, path);
  if (!inode) {
    inode = std::make_shared<FakeInode>();
    inode->status.permissions = permissions;
  }
  inode->content = FakeContent(Buffer(content.begin(), content.end()));
  set_name(*state_, path, inode);
}

void FakeDisk::edit(const std::string& path, const std::function<void(Buffer&)>& change) {
  const std::lock_guard guard(state_->mutex);
  const Inode inode = must_find(*state_, path);
  Buffer content = inode->content.cache();
  change(content);
  inode->content = FakeContent(std::move(content));
}

void FakeDisk::flip_bit(const std::string& path, uint64_t offset, unsigned bit) {
  edit(path, [&](Buffer& content) {
    KHIPU_ASSERT(offset < content.size() && bit < 8);
    content[offset] = static_cast<uint8_t>(content[offset] ^ (1U << bit));
  });
}

void FakeDisk::remove(const std::string& path) {
  const std::lock_guard guard(state_->mutex);
  must_find(*state_, path);
  set_name(*state_, path, nullptr);
}

void FakeDisk::move(const std::string& from, const std::string& to) {
  const std::lock_guard guard(state_->mutex);
  const Inode inode = must_find(*state_, from);
  set_name(*state_, from, nullptr);
  set_name(*state_, to, inode);
}

void FakeDisk::put_other(const std::string& path) {
  const std::lock_guard guard(state_->mutex);
  auto inode = std::make_shared<FakeInode>();
  inode->kind = os::EntryKind::kOther;
  set_name(*state_, path, inode);
}

void FakeDisk::set_status(const std::string& path, os::FileStatus status) {
  const std::lock_guard guard(state_->mutex);
  must_find(*state_, path)->status = status;
}

std::vector<std::string> FakeDisk::files() const {
  const std::lock_guard guard(state_->mutex);
  std::vector<std::string> paths;
  walk(state_->root, "", [&](const std::string& path, const Inode& inode) {
    if (inode->kind != os::EntryKind::kDirectory) paths.push_back(path);
  });
  std::sort(paths.begin(), paths.end());
  return paths;
}

std::vector<std::string> FakeDisk::unsynced() const {
  const std::lock_guard guard(state_->mutex);
  std::vector<std::string> paths;
  walk(state_->root, "", [&](const std::string& path, const Inode& inode) {
    if (!inode->content.settled() || !inode->names.settled()) paths.push_back(path);
  });
  std::sort(paths.begin(), paths.end());
  return paths;
}

}  // namespace khipu::tests
