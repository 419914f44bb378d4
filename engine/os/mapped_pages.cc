#include "engine/os/mapped_pages.h"

#include <signal.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <cerrno>
#include <cstdint>
#include <memory>
#include <mutex>
#include <new>

namespace khipu::os {

// Free while `taken` is false; looked at by the handler while `begin` is not 0. All members are lock-free, as a signal
// handler needs them.
struct GuardedPages {
  std::atomic<bool> taken{false};
  std::atomic<uintptr_t> begin{0}, end{0};
  std::atomic<bool> lost{false};
};

namespace {

static_assert(std::atomic<bool>::is_always_lock_free && std::atomic<uintptr_t>::is_always_lock_free);

// The table: grows by blocks, which are never freed, so that the handler can walk it at any moment.
struct Block {
  std::array<GuardedPages, 256> places;
  std::atomic<Block*> next{nullptr};
};

Block first_block;
uintptr_t page_size = 4096;
struct sigaction former;

// A place may be given back and taken anew while it is looked at: it counts when it begins where it did before.
bool covers(const GuardedPages& place, uintptr_t at) {
  const uintptr_t begin = place.begin.load();
  const uintptr_t end = place.end.load();
  return begin != 0 && begin <= at && at < end && place.begin.load() == begin;
}

// The bare system call: mmap() is on no list of what a signal handler may call, and a sanitizer puts its own in its
// place.
bool put_zeroes(uintptr_t from, size_t size) {
  return ::syscall(SYS_mmap, from, size, PROT_READ, MAP_FIXED | MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) != -1;
}

// Only what a signal handler may: no lock and no allocation.
bool replace_page(uintptr_t at) {
  for (Block* block = &first_block; block != nullptr; block = block->next.load()) {
    for (GuardedPages& place : block->places) {
      if (!covers(place, at)) continue;
      place.lost.store(true);
      const uintptr_t page = at - at % page_size;
      // One by one: behind a bad sector there is sound data. Where the kernel has no room for one more map, the whole
      // becomes one.
      return put_zeroes(page, page_size) || put_zeroes(place.begin.load(), place.end.load() - place.begin.load());
    }
  }
  return false;
}

void pass_on(int signal, siginfo_t* info, void* context) {
  if ((former.sa_flags & SA_SIGINFO) != 0) {
    former.sa_sigaction(signal, info, context);
    return;
  }
  const bool sent = info->si_code <= 0;  // by a process, not by a fault
  if (former.sa_handler == SIG_IGN && sent) return;
  if (former.sa_handler != SIG_IGN && former.sa_handler != SIG_DFL) {
    former.sa_handler(signal);
    return;
  }
  struct sigaction plain {};
  plain.sa_handler = SIG_DFL;
  ::sigaction(signal, &plain, nullptr);
  if (sent) ::raise(signal);  // a fault comes again by itself when this returns
}

void on_bus_error(int signal, siginfo_t* info, void* context) {
  const int number = errno;
  if (info->si_code <= 0 || !replace_page(reinterpret_cast<uintptr_t>(info->si_addr))) pass_on(signal, info, context);
  errno = number;
}

void install() {
  static std::once_flag once;
  std::call_once(once, [] {
    page_size = static_cast<uintptr_t>(::sysconf(_SC_PAGESIZE));
    ::sigaction(SIGBUS, nullptr, &former);  // known before ours can be called
    struct sigaction ours {};
    ours.sa_sigaction = on_bus_error;
    ours.sa_flags = SA_SIGINFO | SA_ONSTACK | SA_RESTART;
    sigemptyset(&ours.sa_mask);
    ::sigaction(SIGBUS, &ours, nullptr);
  });
}

}  // namespace

GuardedPages* guard_pages(void* address, size_t size) {
  install();
  for (Block* block = &first_block;;) {
    for (GuardedPages& place : block->places) {
      bool free = false;
      if (place.taken.load() || !place.taken.compare_exchange_strong(free, true)) continue;
      const auto begin = reinterpret_cast<uintptr_t>(address);
      place.lost.store(false);
      place.end.store(begin + (size + page_size - 1) / page_size * page_size);
      place.begin.store(begin);
      return &place;
    }
    Block* next = block->next.load();
    if (next == nullptr) {
      auto fresh = std::unique_ptr<Block>(new (std::nothrow) Block());
      if (!fresh) return nullptr;
      if (block->next.compare_exchange_strong(next, fresh.get())) next = fresh.release();
    }
    block = next;
  }
}

void unguard_pages(GuardedPages* pages) {
  pages->begin.store(0);
  pages->end.store(0);
  pages->taken.store(false);
}

bool pages_lost(const GuardedPages* pages) { return pages->lost.load(); }

}  // namespace khipu::os
