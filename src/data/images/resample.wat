;; The two passes of resampling, 4 and 16 values at a time, in 32-bit integers: equal to resample.ts in every bit.
;; Both read and write up to 15 bytes after what they are given.
(module
  (memory (export "memory") 1)

  (func (export "columns")
    (param $source i32) (param $width i32) (param $height i32) (param $starts i32) (param $counts i32)
    (param $weights i32) (param $stride i32) (param $outWidth i32) (param $target i32)
    (local $x i32) (local $from i32) (local $weight i32) (local $left i32) (local $sum v128)
    (loop $row
      (local.set $x (i32.const 0))
      (loop $pixel
        (local.set $sum (i32x4.splat (i32.const 0x200000)))
        (local.set $from (i32.add (local.get $source) (i32.mul (i32.const 3)
          (i32.load (i32.add (local.get $starts) (i32.shl (local.get $x) (i32.const 2)))))))
        (local.set $weight (i32.add (local.get $weights) (i32.mul (local.get $x) (local.get $stride))))
        (local.set $left (i32.load (i32.add (local.get $counts) (i32.shl (local.get $x) (i32.const 2)))))
        (loop $tap
          (local.set $sum (i32x4.add (local.get $sum) (i32x4.mul
            (i32x4.extend_low_i16x8_u (i16x8.extend_low_i8x16_u (v128.load32_zero (local.get $from))))
            (v128.load32_splat (local.get $weight)))))
          (local.set $from (i32.add (local.get $from) (i32.const 3)))
          (local.set $weight (i32.add (local.get $weight) (i32.const 4)))
          (br_if $tap (local.tee $left (i32.sub (local.get $left) (i32.const 1)))))
        (local.set $sum (i32x4.shr_s (local.get $sum) (i32.const 22)))
        (local.set $sum (i16x8.narrow_i32x4_s (local.get $sum) (local.get $sum)))
        (i32.store (local.get $target)
          (i32x4.extract_lane 0 (i8x16.narrow_i16x8_u (local.get $sum) (local.get $sum))))
        (local.set $target (i32.add (local.get $target) (i32.const 3)))
        (br_if $pixel (i32.lt_s (local.tee $x (i32.add (local.get $x) (i32.const 1))) (local.get $outWidth))))
      (local.set $source (i32.add (local.get $source) (i32.mul (local.get $width) (i32.const 3))))
      (br_if $row (local.tee $height (i32.sub (local.get $height) (i32.const 1))))))

  (func (export "rows")
    (param $source i32) (param $rowBytes i32) (param $starts i32) (param $counts i32)
    (param $weights i32) (param $stride i32) (param $outHeight i32) (param $target i32)
    (local $x i32) (local $from i32) (local $weight i32) (local $left i32) (local $values v128) (local $some v128)
    (local $first i32) (local $a v128) (local $b v128) (local $c v128) (local $d v128)
    (loop $row
      (local.set $first (i32.add (local.get $source) (i32.mul (i32.load (local.get $starts)) (local.get $rowBytes))))
      (local.set $x (i32.const 0))
      (loop $part
        (local.set $a (i32x4.splat (i32.const 0x200000)))
        (local.set $b (local.get $a))
        (local.set $c (local.get $a))
        (local.set $d (local.get $a))
        (local.set $from (i32.add (local.get $first) (local.get $x)))
        (local.set $weight (local.get $weights))
        (local.set $left (i32.load (local.get $counts)))
        (loop $tap
          (local.set $values (v128.load32_splat (local.get $weight)))
          (local.set $some (i16x8.extend_low_i8x16_u (v128.load (local.get $from))))
          (local.set $a (i32x4.add (local.get $a)
            (i32x4.mul (i32x4.extend_low_i16x8_u (local.get $some)) (local.get $values))))
          (local.set $b (i32x4.add (local.get $b)
            (i32x4.mul (i32x4.extend_high_i16x8_u (local.get $some)) (local.get $values))))
          (local.set $some (i16x8.extend_high_i8x16_u (v128.load (local.get $from))))
          (local.set $c (i32x4.add (local.get $c)
            (i32x4.mul (i32x4.extend_low_i16x8_u (local.get $some)) (local.get $values))))
          (local.set $d (i32x4.add (local.get $d)
            (i32x4.mul (i32x4.extend_high_i16x8_u (local.get $some)) (local.get $values))))
          (local.set $from (i32.add (local.get $from) (local.get $rowBytes)))
          (local.set $weight (i32.add (local.get $weight) (i32.const 4)))
          (br_if $tap (local.tee $left (i32.sub (local.get $left) (i32.const 1)))))
        (v128.store (i32.add (local.get $target) (local.get $x)) (i8x16.narrow_i16x8_u
          (i16x8.narrow_i32x4_s
            (i32x4.shr_s (local.get $a) (i32.const 22)) (i32x4.shr_s (local.get $b) (i32.const 22)))
          (i16x8.narrow_i32x4_s
            (i32x4.shr_s (local.get $c) (i32.const 22)) (i32x4.shr_s (local.get $d) (i32.const 22)))))
        (br_if $part (i32.lt_s (local.tee $x (i32.add (local.get $x) (i32.const 16))) (local.get $rowBytes))))
      (local.set $target (i32.add (local.get $target) (local.get $rowBytes)))
      (local.set $starts (i32.add (local.get $starts) (i32.const 4)))
      (local.set $counts (i32.add (local.get $counts) (i32.const 4)))
      (local.set $weights (i32.add (local.get $weights) (local.get $stride)))
      (br_if $row (local.tee $outHeight (i32.sub (local.get $outHeight) (i32.const 1)))))))
