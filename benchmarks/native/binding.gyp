{
  "targets": [
    {
      "target_name": "pmem_peer",
      "sources": ["pmem_peer.cc"],
      "defines": ["NAPI_VERSION=8"],
      "cflags_cc!": ["-std=gnu++14", "-std=gnu++17", "-std=gnu++20"],
      "cflags_cc": ["-std=c++17", "-O2", "-Wall", "-Wextra"],
      "libraries": ["-lpmem"]
    }
  ]
}
