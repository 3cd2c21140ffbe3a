--TEST--
NdArray: an empty array of a peer with long dimensions is refused before memory is allocated
--EXTENSIONS--
linkspan
--FILE--
<?php
use Linkspan\{Encoding, LinkspanException};
use function Linkspan\{decode, encode};

// CBOR's tag 40: three dimensions, and no elements of f64.
$long = '1b0000000040000000';
$array = decode(hex2bin("d8288283{$long}{$long}00d85640"), Encoding::Cbor);
echo implode(',', $array->shape), ' ', count($array), "\n";
foreach ([fn() => $array->toArray(), fn() => $array->jsonSerialize(), fn() => json_encode($array), fn() => $array[7]->toArray()] as $do) {
    try {
        $do();
        echo "accepted\n";
    } catch (LinkspanException $e) {
        echo $e->getKind(), "\n";
    }
}
echo implode(',', $array[7]->shape), ' ', json_encode($array[[7, 1]]), "\n";
echo json_encode(decode(hex2bin("d82882820200d85640"), Encoding::Cbor)), "\n";
$most = decode(hex2bin('d82882821bffffffffffffffff00d85640'), Encoding::Cbor);
echo $most->shape[0] === PHP_INT_MAX ? 'the most that PHP counts' : $most->shape[0], ' ', encode($most, Encoding::Json), "\n";
--EXPECT--
1073741824,1073741824,0 1073741824
OutOfMemory
OutOfMemory
OutOfMemory
OutOfMemory
1073741824,0 []
[[],[]]
the most that PHP counts {"$ndarray":{"dtype":"f64","shape":[18446744073709551615,0],"order":"row","data":""}}
