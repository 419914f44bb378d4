// Looks for input a short while before a thread goes to sleep over it.
//
// Waking a thread takes its client 5 us on bare metal and ten times that on a virtual machine whose processor went
// idle: more than a small request does. A client that asks one question behind the other is answered without it. Not
// here: reading.
#pragma once

#include <chrono>

namespace khipu::os {

// Of one connection; one thread at a time. Of all threads of a process one looks at a time, and none where the process
// may use a single processor, which the client needs.
class BusyPoll {
 public:
  // Until `descriptor` can be read, which is true, for 200 us at most. At once and false if the input before did not
  // come that quickly: a client that pauses costs one vain look a pause, an idle one none.
  bool look(int descriptor);
  // Input has come, whoever waited for it.
  void came();

 private:
  std::chrono::steady_clock::time_point began_;
  bool is_quick_ = false;
};

}  // namespace khipu::os
