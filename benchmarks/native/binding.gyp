{
  "target_defaults": {
    "defines": ["NAPI_VERSION=8"],
    "cflags_cc!": ["-std=gnu++14", "-std=gnu++17", "-std=gnu++20"],
    "cflags_cc": ["-std=c++17", "-O2", "-Wall", "-Wextra"]
  },
  "targets": [
    {
      "target_name": "pmem_peer",
      "sources": ["pmem_peer.cc"],
      "libraries": ["-lpmem"]
    }
  ],
  "conditions": [
    ["'<!(test -e /usr/include/libpmemblk.h && echo yes || echo no)' == 'yes'", {
      "targets": [
        {
          "target_name": "pmemblk_peer",
          "sources": ["pmemblk_peer.cc"],
          "libraries": ["-lpmemblk"]
        }
      ]
    }]
  ]
}
