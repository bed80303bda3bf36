// SPDX-FileCopyrightText: the fdmetrics authors
// SPDX-License-Identifier: Apache-2.0

// Counts three requests in three threads, with exceptions for errors, and prints the store's text.
#include <fdmetrics.h>

#include <iostream>
#include <memory>
#include <stdexcept>
#include <string_view>
#include <thread>
#include <vector>

static void check(fdm_status status) {
  if (status != FDM_OK) throw std::runtime_error(fdm_last_error());
}

int main() try {
  const char *names[] = {"method"}, *values[] = {"GET"};
  fdm_descriptor described{};
  described.struct_size = sizeof described;
  described.type = FDM_COUNTER;
  described.name = "requests";
  described.help = "Requests answered";
  described.label_names = names;
  described.label_count = 1;
  fdm_store *store = nullptr;
  fdm_family *family = nullptr;
  fdm_counter *requests = nullptr;
  check(fdm_store_default(&store));
  check(fdm_register(store, &described, &family));
  check(fdm_counter_labels(family, values, 1, &requests));
  std::vector<std::thread> threads;
  for (int count = 0; count < 3; count++) threads.emplace_back([=] { fdm_counter_inc(requests); });
  for (auto &thread : threads) thread.join();
  char *text = nullptr;
  size_t length = 0;
  check(fdm_render(store, FDM_FORMAT_TEXT, 0, &text, &length));
  std::unique_ptr<char, decltype(&fdm_free)> owned(text, fdm_free);
  std::cout << std::string_view(text, length);
} catch (const std::exception &error) {
  std::cerr << error.what() << '\n';
  return 1;
}
