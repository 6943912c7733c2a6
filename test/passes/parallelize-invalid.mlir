// RUN: ropegrad-opt %s --ropegrad-parallelize -split-input-file -verify-diagnostics

func.func private @callee(%a: memref<8xf32>, %x: f32, %c: index) {
  // expected-error @+1 {{expected parallel loops in public functions only, but got @callee}}
  scf.parallel (%i) = (%c) to (%c) step (%c) {
    memref.store %x, %a[%i] : memref<8xf32>
  }
  return
}

// -----

func.func @nested(%a: memref<8xf32>, %x: f32, %c: index) {
  scf.parallel (%i) = (%c) to (%c) step (%c) {
    // expected-error @+1 {{expected a parallel loop without results and in no other}}
    scf.parallel (%j) = (%c) to (%c) step (%c) {
      memref.store %x, %a[%j] : memref<8xf32>
    }
  }
  return
}
