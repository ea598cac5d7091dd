{
  "target_defaults": {
    "defines": ["NAPI_VERSION=8", "_FILE_OFFSET_BITS=64"],
    "cflags_cc!": ["-std=gnu++14", "-std=gnu++17", "-std=gnu++20"],
    "cflags_cc": ["-std=c++17", "-O1", "-Wall", "-Wextra"]
  },
  "targets": [
    { "target_name": "signals", "sources": ["signals.cc"] },
    { "target_name": "faults", "sources": ["faults.cc"] },
    { "target_name": "kernel", "sources": ["kernel.cc"] },
    { "target_name": "steps", "sources": ["steps.cc"] }
  ]
}
