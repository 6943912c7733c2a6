// RUN: ropegrad-opt %s --ropegrad-widen-storage | FileCheck %s
// RUN: ropegrad-opt %s --ropegrad-plan --ropegrad-widen-storage --ropegrad-differentiate -canonicalize -cse | FileCheck %s --check-prefix=AFTER

// Every operand once, every result once; what the op says stays.
// CHECK-LABEL: func.func @attention(
// CHECK-SAME: %[[Q:.*]]: tensor<1x2x8x4xbf16>, %[[K:.*]]: tensor<1x1x8x4xbf16>)
// CHECK: %[[WQ:.*]] = ropegrad.convert ins(%[[Q]] : tensor<1x2x8x4xbf16>) outs(%{{.*}} : tensor<1x2x8x4xf32>)
// CHECK: %[[WK:.*]] = ropegrad.convert ins(%[[K]] : {{.*}} -> tensor<1x1x8x4xf32>
// CHECK: %[[WV:.*]] = ropegrad.convert ins(%[[K]] : {{.*}} -> tensor<1x1x8x4xf32>
// CHECK: %[[WO:.*]] = ropegrad.attention(%[[WQ]], %[[WK]], %[[WV]]) {mask = #ropegrad.mask<causal>, scale = 5.000000e-01 : f64} : {{.*}} -> tensor<1x2x8x4xf32>
// CHECK: %[[O:.*]] = ropegrad.convert ins(%[[WO]] : tensor<1x2x8x4xf32>) outs(%{{.*}} : tensor<1x2x8x4xbf16>)
// CHECK: return %[[O]] : tensor<1x2x8x4xbf16>
func.func @attention(%q: tensor<1x2x8x4xbf16>, %k: tensor<1x1x8x4xbf16>) -> tensor<1x2x8x4xbf16> {
  %0 = ropegrad.attention(%q, %k, %k) {mask = #ropegrad.mask<causal>, scale = 0.5 : f64} : (tensor<1x2x8x4xbf16>, tensor<1x1x8x4xbf16>, tensor<1x1x8x4xbf16>) -> tensor<1x2x8x4xbf16>
  return %0 : tensor<1x2x8x4xbf16>
}

// A loss is f32 before and after.
// CHECK-LABEL: func.func @loss(
// CHECK-COUNT-7: ropegrad.convert {{.*}} -> tensor<{{.*}}xf32>
// CHECK: %[[L:.*]] = ropegrad.loss({{.*}} -> tensor<f32>
// CHECK-NOT: ropegrad.convert {{.*}} -> tensor<{{.*}}xf16>
// CHECK: %[[G:.*]]:2 = ropegrad.loss_vjp({{.*}} -> (tensor<4x4xf32>, tensor<8x4xf32>)
// CHECK-COUNT-2: ropegrad.convert ins(%[[G]]#{{.*}} -> tensor<{{.*}}xf16>
// CHECK: return %[[L]], %{{.*}} : tensor<f32>, tensor<4x4xf16>, tensor<8x4xf16>
// Loss and gradient read the same rows: Q, K, V are made once.
// AFTER-LABEL: func.func @loss(
// AFTER-COUNT-3: ropegrad.convert {{.*}} -> tensor<{{.*}}xf32>
// AFTER-NOT: ropegrad.convert {{.*}} -> tensor<{{.*}}xf32>
// AFTER-COUNT-3: linalg.matmul
// AFTER: ropegrad.convert {{.*}} -> tensor<8x4xf16>
func.func @loss(%a: tensor<8x4xf16>, %x: tensor<4x4xf16>, %e: tensor<8x4xf16>) -> (tensor<f32>, tensor<4x4xf16>, tensor<8x4xf16>) {
  %0 = ropegrad.loss(%a, %a, %a, %x, %x, %x, %e) {scale = 0.5 : f64} : (tensor<8x4xf16>, tensor<8x4xf16>, tensor<8x4xf16>, tensor<4x4xf16>, tensor<4x4xf16>, tensor<4x4xf16>, tensor<8x4xf16>) -> tensor<f32>
  %1:2 = ropegrad.loss_vjp(%a, %a, %a, %x, %x, %x, %e) {scale = 0.5 : f64, wrt = ["X1", "A1"]} : (tensor<8x4xf16>, tensor<8x4xf16>, tensor<8x4xf16>, tensor<4x4xf16>, tensor<4x4xf16>, tensor<4x4xf16>, tensor<8x4xf16>) -> (tensor<4x4xf16>, tensor<8x4xf16>)
  return %0, %1#0, %1#1 : tensor<f32>, tensor<4x4xf16>, tensor<8x4xf16>
}

// Problems on f32 and f64 are left alone.
// CHECK-LABEL: func.func @wide(
// CHECK-NEXT: ropegrad.attention
// CHECK-NEXT: return
func.func @wide(%q: tensor<1x2x8x4xf64>) -> tensor<1x2x8x4xf64> {
  %0 = ropegrad.attention(%q, %q, %q) {scale = 0.5 : f64} : (tensor<1x2x8x4xf64>, tensor<1x2x8x4xf64>, tensor<1x2x8x4xf64>) -> tensor<1x2x8x4xf64>
  return %0 : tensor<1x2x8x4xf64>
}
