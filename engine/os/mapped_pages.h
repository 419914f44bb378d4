// What happens when a mapped page cannot be given: its file was cut short behind our back, or the disk failed. The
// kernel then sends SIGBUS to the thread that touched it, and by itself that ends the process. A handler, installed
// with the first mapping, puts zeroes in the place of such a page and marks the mapping, and the thread goes on: to
// whoever checks what it reads (everybody, of mapped bytes), zeroes are damage like any other. A SIGBUS anywhere else
// goes to the handler that was there before. Maps of files: file.h.
#pragma once

#include <cstddef>

namespace khipu::os {

struct GuardedPages;  // one place in the table the handler looks at

// From here on faults within [address, address + size), which are whole pages of a file, are met as said above. Any
// thread. nullptr: no memory for it.
GuardedPages* guard_pages(void* address, size_t size);
// Before they are unmapped.
void unguard_pages(GuardedPages* pages);
// Zeroes stand in some of them.
bool pages_lost(const GuardedPages* pages);

}  // namespace khipu::os
