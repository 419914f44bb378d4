// Runs the real programs: `khipu` once with its output, or as a process that is told to end. Nothing sleeps: a process
// is ready when it says so on stderr. Not here: what they must answer.
#pragma once

#include <string>
#include <vector>

namespace khipu::tests {

// The program's path in the folder KHIPU_BIN names.
std::string program(const std::string& name);

struct Ran {
  int exit = -1;  // 128 + signal when one ended it
  std::string out, err;
};
Ran run(const std::vector<std::string>& command, const std::string& input = "");

// A process with its stderr in our hands. Killed and waited for at the latest by the destructor.
class Process {
 public:
  explicit Process(const std::vector<std::string>& command);
  ~Process();
  Process(const Process&) = delete;
  Process& operator=(const Process&) = delete;

  // Reads stderr until a line holds `text`, and returns that line; "" when the process ended first.
  std::string wait_for(const std::string& text);
  int pid() const { return pid_; }
  void signal(int number);
  int wait();                                            // the exit code, 128 + signal when one ended it
  const std::string& errors() const { return errors_; }  // stderr so far

 private:
  int pid_ = -1;
  int errors_from_ = -1;
  std::string errors_, rest_;
};

}  // namespace khipu::tests
