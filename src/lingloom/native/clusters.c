/* Union-find. Twin: text/clusters.py. */
#include <stdint.h>

static int64_t find(int64_t *parents, int64_t i) {
    while (parents[i] != i) {
        parents[i] = parents[parents[i]];
        i = parents[i];
    }
    return i;
}

/* edges (m, 2) between nodes 0..n-1; roots (n): the least node of each node's component.
   -1: an edge names a node that is not there. */
int64_t lingloom_components(const int64_t *edges, int64_t m, int64_t n, int64_t *roots) {
    for (int64_t i = 0; i < n; i++) roots[i] = i;
    for (int64_t i = 0; i < m; i++) {
        int64_t a = edges[2 * i], b = edges[2 * i + 1];
        if (a < 0 || a >= n || b < 0 || b >= n) return -1;
        a = find(roots, a), b = find(roots, b);
        if (a < b) roots[b] = a;
        if (b < a) roots[a] = b;
    }
    for (int64_t i = 0; i < n; i++) roots[i] = find(roots, i);
    return 0;
}
