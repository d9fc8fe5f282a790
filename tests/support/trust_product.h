// SPDX-License-Identifier: Apache-2.0
// A sample product with every field filled: inventory servers/hosts 1.4.2. Its strings and lists are static.
#ifndef WF_TESTS_TRUST_PRODUCT_H
#define WF_TESTS_TRUST_PRODUCT_H

#include "proto/trust/product.h"
#include "tests/support/trust_mesh.h"

struct wf_product wf_test_product(void);

#endif
