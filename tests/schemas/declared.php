<?php
// Checks the declarations of generated files by reflection: classes are final or abstract, properties are typed and read-only, and
// methods have parameter and return types.

declare(strict_types=1);

$before = get_declared_classes();
foreach (array_slice($argv, 1) as $file) {
    require $file;
}
$classes = array_diff(get_declared_classes(), $before);
$classes !== [] || throw new RuntimeException('no class was declared');
foreach ($classes as $name) {
    $class = new ReflectionClass($name);
    if ($class->isEnum()) {
        continue;
    }
    $class->isFinal() || $class->isAbstract() || throw new RuntimeException("$name is neither final nor abstract");
    foreach ($class->getProperties() as $property) {
        $property->isReadOnly() && $property->hasType() || throw new RuntimeException("$name::\${$property->name}");
    }
    foreach ($class->getMethods() as $method) {
        $method->isConstructor() || $method->hasReturnType() || throw new RuntimeException("$name::{$method->name} returns anything");
        foreach ($method->getParameters() as $parameter) {
            $parameter->hasType() || throw new RuntimeException("$name::{$method->name}, \${$parameter->name}");
        }
    }
}
