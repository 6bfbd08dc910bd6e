"""What is published: recipes, tables, networks to take along."""
